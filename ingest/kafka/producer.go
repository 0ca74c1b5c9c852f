package kafka

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// Message is one record to be written.
type Message struct {
	// Key chooses the partition as Java's client does (murmur2); messages of one key keep their order.
	Key, Value []byte
	// ContentType becomes the header content-type; empty: no header.
	ContentType string
	// Time is the record's timestamp; zero: now.
	Time time.Time
}

// ProducerOptions are how a Producer writes. Zero fields take the defaults in brackets.
type ProducerOptions struct {
	// Bridge is how long a batch is tried again while its partition has no leader or no broker answers
	// [8 s]: a leader moves within that, and nobody above has to hear of it.
	Bridge time.Duration
	// Attempt bounds one request, its wait for all replicas included [5 s].
	Attempt time.Duration
	// BatchRecords and BatchBytes bound a request [500, 512 KiB]. A larger record goes alone.
	BatchRecords, BatchBytes int
}

func (o *ProducerOptions) setDefaults() {
	o.Bridge = cmp.Or(o.Bridge, 8*time.Second)
	o.Attempt = cmp.Or(o.Attempt, 5*time.Second)
	o.BatchRecords = cmp.Or(o.BatchRecords, 500)
	o.BatchBytes = cmp.Or(o.BatchBytes, 512<<10)
}

// Producer writes to the topics of a cluster with acks=all. It may be used concurrently: what is sent at
// the same time for one partition goes in one request, and one request at a time is on its way to each
// partition, so that order holds.
//
// It promises at least once: a request whose answer is lost is sent again, and a record may stand in the
// topic twice. Whoever reads tells that by what the record says, as the id of a CloudEvent.
type Producer struct {
	cluster Cluster
	client  *client
	opt     ProducerOptions

	mu    sync.Mutex
	lanes map[laneID]*lane
}

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

// NewProducer returns a Producer for topics of a cluster. It connects to nothing. Close ends it.
func NewProducer(c Cluster, topics []string, o ProducerOptions) (*Producer, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	cl, err := c.client(topics)
	if err != nil {
		return nil, err
	}
	o.setDefaults()
	return &Producer{cluster: c, client: cl, opt: o, lanes: map[laneID]*lane{}}, nil
}

// Close closes the connections; nothing may be sent any more, and what is being sent fails.
func (p *Producer) Close() error {
	p.client.close()
	return nil
}

// Send writes one message and returns when every replica in sync has it, or with a *ProduceError when it
// was not written as far as is known. When ctx ends it returns at once: the message may be written or not.
func (p *Producer) Send(ctx context.Context, topic string, m *Message) error {
	parts, err := p.partitions(ctx, topic)
	if err != nil {
		return err
	}
	id := laneID{topic, partitionOf(m.Key, parts)}
	s := &sending{msg: m, turn: make(chan struct{}, 1), done: make(chan error, 1)}
	p.join(id, s)
	select {
	case err := <-s.done:
		return err
	case <-s.turn:
		return p.lead(ctx, id, s)
	case <-ctx.Done():
		p.leave(id, s)
		return p.classify(topic, ctx.Err())
	}
}

// SendAll writes messages, those of one key in order, and returns the first error. What follows a failed
// message in its partition is not written.
func (p *Producer) SendAll(ctx context.Context, topic string, ms []Message) error {
	parts, err := p.partitions(ctx, topic)
	if err != nil {
		return err
	}
	lanes := map[int][]*sending{}
	for i := range ms {
		at := partitionOf(ms[i].Key, parts)
		lanes[at] = append(lanes[at], &sending{msg: &ms[i]})
	}
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		all := lanes[part]
		wg.Go(func() {
			for len(all) > 0 && errs[i] == nil {
				var batch []*sending
				batch, all = p.cut(all)
				p.write(ctx, laneID{topic, part}, batch)
				errs[i] = firstError(batch)
			}
		})
	}
	wg.Wait()
	return cmp.Or(errs...)
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

// write sends a batch until it is written, refused, or the bridge has passed; each message has its error
// then. A batch that the broker refuses for what it holds is halved to find the record that it means.
func (p *Producer) write(ctx context.Context, id laneID, batch []*sending) {
	ctx, cancel := context.WithTimeout(ctx, p.opt.Bridge)
	defer cancel()
	p.writeHalves(ctx, id, batch)
}

func (p *Producer) writeHalves(ctx context.Context, id laneID, batch []*sending) {
	err := bridge(ctx, func(ctx context.Context) error { return p.attempt(ctx, id, batch) })
	if len(batch) > 1 && reasonOf(err) == Rejected {
		half := len(batch) / 2
		p.writeHalves(ctx, id, batch[:half])
		if err = firstError(batch[:half]); err == nil || reasonOf(err) == Rejected {
			p.writeHalves(ctx, id, batch[half:])
			return
		}
		batch = batch[half:] // not before those above
	}
	for _, s := range batch {
		s.err = err
	}
}

// bridge calls f, with pauses between, until it succeeds, fails for a reason that does not pass by itself,
// or ctx ends.
func bridge(ctx context.Context, f func(context.Context) error) error {
	var last error
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f(ctx)
		if reasonOf(err) != Unavailable {
			return err
		}
		if last == nil || ctx.Err() == nil { // the end of our patience is no cause
			last = err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return last
		case <-timer.C:
		}
	}
}

func (p *Producer) attempt(ctx context.Context, id laneID, batch []*sending) error {
	ctx, cancel := context.WithTimeout(ctx, p.opt.Attempt)
	defer cancel()
	records := make([]kafka.Record, len(batch))
	for i, s := range batch {
		records[i] = s.msg.record()
	}
	res, err := p.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: id.topic, Partition: id.partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = res.Error
	}
	e := p.classify(id.topic, err)
	if errors.Is(err, kafka.UnknownTopicOrPartition) { // a moment ago it was known: its leader is moving
		return &ProduceError{Topic: id.topic, Reason: Unavailable, Advice: noTopic, Err: err}
	}
	return e
}

func (m *Message) record() kafka.Record {
	r := kafka.Record{Key: kafka.NewBytes(m.Key), Value: kafka.NewBytes(m.Value), Time: m.Time}
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	if m.ContentType != "" {
		r.Headers = []kafka.Header{{Key: "content-type", Value: []byte(m.ContentType)}}
	}
	return r
}

// partitionOf is the partition that Java's client chooses for a key.
func partitionOf(key []byte, parts []int) int {
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, parts...)
}

// partitions returns the partitions of a topic in order.
func (p *Producer) partitions(ctx context.Context, topic string) (parts []int, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.opt.Bridge)
	defer cancel()
	err = bridge(ctx, func(ctx context.Context) error {
		parts, err = p.layout(ctx, topic)
		return err
	})
	return parts, err
}

// layout looks at what the transport knows of the cluster, which it renews by itself.
func (p *Producer) layout(ctx context.Context, topic string) ([]int, error) {
	meta, err := p.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, p.classify(topic, err)
	}
	for _, t := range meta.Topics {
		switch {
		case t.Name != topic:
		case t.Error != nil:
			return nil, p.classify(topic, t.Error)
		case len(t.Partitions) > 0:
			parts := make([]int, len(t.Partitions))
			for i := range t.Partitions {
				parts[i] = t.Partitions[i].ID
			}
			slices.Sort(parts)
			return parts, nil
		}
	}
	return nil, p.classify(topic, kafka.UnknownTopicOrPartition)
}

func firstError(batch []*sending) error {
	for _, s := range batch {
		if s.err != nil {
			return s.err
		}
	}
	return nil
}
