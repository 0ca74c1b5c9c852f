package kafka

import (
	"context"
	"slices"
)

// laneID is a partition.
type laneID struct {
	topic     string
	partition int
}

// lane is the queue of a partition. There is one while somebody sends to it.
type lane struct{ waiting []*sending }

// sending is one call of Send.
type sending struct {
	msg *Message
	// turn is given to the first of a lane when no request is on its way: it sends for all who wait.
	turn chan struct{}
	done chan error
	err  error // kept by who sends, until done
}

// join queues a message; the first of an idle lane gets the turn.
func (p *Producer) join(id laneID, s *sending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[id]
	if l == nil {
		l = &lane{}
		p.lanes[id] = l
		s.turn <- struct{}{}
	}
	l.waiting = append(l.waiting, s)
}

// lead sends what waits, its own message first, and hands the lane on.
func (p *Producer) lead(ctx context.Context, id laneID, s *sending) error {
	p.mu.Lock()
	l := p.lanes[id]
	var batch []*sending
	batch, l.waiting = p.cut(l.waiting)
	batch = slices.Clone(batch) // the rest of the array is appended to
	p.mu.Unlock()

	p.write(ctx, id, batch)
	for _, other := range batch {
		other.done <- other.err
	}
	p.pass(id)
	return s.err
}

// pass gives the turn to the next, or ends the lane.
func (p *Producer) pass(id laneID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.lanes[id]; len(l.waiting) > 0 {
		l.waiting[0].turn <- struct{}{}
		return
	}
	delete(p.lanes, id)
}

// leave takes back a message that nobody waits for. If its turn had come, the next gets it.
func (p *Producer) leave(id laneID, s *sending) {
	p.mu.Lock()
	if l := p.lanes[id]; l != nil {
		if i := slices.Index(l.waiting, s); i >= 0 {
			l.waiting = slices.Delete(l.waiting, i, i+1)
		}
	}
	p.mu.Unlock()
	select {
	case <-s.turn:
		p.pass(id)
	default:
	}
}

// cut takes the beginning of a queue that fits into one request, and at least one message.
func (p *Producer) cut(all []*sending) (batch, rest []*sending) {
	bytes := 0
	for i, s := range all {
		bytes += len(s.msg.Key) + len(s.msg.Value)
		if i > 0 && (i == p.opt.BatchRecords || bytes > p.opt.BatchBytes) {
			return all[:i], all[i:]
		}
	}
	return all, nil
}
