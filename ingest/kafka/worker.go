package kafka

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/segmentio/kafka-go"
)

// worker takes from the partitions that one broker leads. It is one goroutine's.
type worker struct {
	*session
	broker  int32
	fetcher *fetcher
	reader  reader
	entries entries
	turn    int
	parts   []*partition
	wanted  []wanted
}

// work fetches and takes until the session ends. What is wrong with the broker, or with one partition,
// costs a wait; what is wrong with the Sink ends the session.
func (w *worker) work(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		changed := w.watch()
		wait := w.claim()
		if len(w.parts) == 0 {
			pause(ctx, wait, changed)
			continue
		}
		start := time.Now()
		progress, err := w.round(ctx)
		w.release()
		switch {
		case ctx.Err() != nil, errors.Is(err, errSinkEnded):
			return
		case err != nil:
			failures++
			w.askMetadata()
			err = w.source.opts.Cluster.Explain(err)
			w.setFailure(err)
			w.source.stats.errors.Add(1)
			w.source.log.Warn(causeFetch).Err(err).Int32("broker", w.broker).Msg("kafka: cannot fetch; trying again")
			pause(ctx, backoff(failures), nil)
		case !progress && time.Since(start) < 5*time.Millisecond:
			pause(ctx, backoff(0), nil) // a broker that does not wait as it was asked to
		default:
			if failures > 0 {
				w.setFailure(nil)
			}
			failures = 0
		}
	}
}

// errSinkEnded: the Sink takes nothing any more, for the engine is ending.
var errSinkEnded = errors.New("the log takes nothing any more")

// backoff is the wait after n failures in a row: 50 ms doubled up to 5 s, with jitter.
func backoff(n int) time.Duration {
	d := min(50*time.Millisecond<<min(n, 10), 5*time.Second)
	return d/2 + rand.N(d)
}

// pause waits, until ctx ends or wake is closed.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// round is one fetch and the taking of what it brought.
func (w *worker) round(ctx context.Context) (progress bool, err error) {
	w.wanted = w.wanted[:0]
	for _, p := range w.parts {
		w.wanted = append(w.wanted, wanted{topic: p.topic, id: p.topicID, partition: p.id, offset: p.next})
	}
	if err := w.fetcher.fetch(ctx, w.wanted); err != nil {
		return false, err
	}
	at := 0
	for ctx.Err() == nil {
		var f fetched
		if more, err := w.fetcher.next(&f); err != nil || !more {
			return progress, err
		}
		p := w.find(&f, &at)
		if p == nil {
			continue
		}
		if f.code != 0 {
			w.refused(ctx, p, kafka.Error(f.code))
			continue
		}
		w.answered(p, &f)
		before := p.next
		if err := w.take(ctx, p, &f); err != nil {
			return progress, err
		}
		progress = progress || p.next > before
	}
	return progress, nil
}

// find is the partition an answer is about; brokers answer in the order of the request.
func (w *worker) find(f *fetched, at *int) *partition {
	for range w.parts {
		p := w.parts[*at%len(w.parts)]
		*at++
		if p.id == f.partition && (f.topic == nil && p.topicID == f.id || f.topic != nil && p.topic == string(f.topic)) {
			return p
		}
	}
	return nil
}

// answered notes a partition's end, and that whatever was wrong with it is over.
func (w *worker) answered(p *partition, f *fetched) {
	p.highWater.Store(f.highWater)
	w.mu.Lock()
	defer w.mu.Unlock()
	p.tries, p.stopped = 0, ""
}

// refused deals with an error of one partition: most pass by themselves.
func (w *worker) refused(ctx context.Context, p *partition, err kafka.Error) {
	w.source.stats.errors.Add(1)
	switch err {
	case kafka.OffsetOutOfRange:
		w.stop(p, w.outOfRange(ctx, p))
	case kafka.TopicAuthorizationFailed:
		w.stop(p, w.source.opts.Cluster.Explain(err).Error())
	case kafka.InvalidMessage: // the broker's own copy is damaged
		w.stop(p, "the broker cannot read its log at our offset: look at its disk and log; it may have to be taken from another replica")
	default:
		w.askMetadata()
		w.postpone(p)
		if !moving(err) {
			w.source.log.Warn(causePartition).Err(err).Str("partition", p.label).Msg("kafka: the broker refuses a partition; trying again")
		}
	}
}

// moving reports whether an error is what happens while a partition changes its leader or a broker starts.
func moving(err kafka.Error) bool {
	switch err {
	case kafka.NotLeaderForPartition, kafka.UnknownTopicOrPartition, kafka.LeaderNotAvailable, kafka.ReplicaNotAvailable,
		kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.OffsetNotAvailable, kafka.UnknownTopicID, kafka.InconsistentTopicID:
		return true
	}
	return false
}

// take hands the records of a fetched partition over, batch by batch.
func (w *worker) take(ctx context.Context, p *partition, f *fetched) error {
	first := true
	for data := f.records; len(data) > 0 && ctx.Err() == nil; first = false {
		b, rest, err := nextBatch(data)
		if errors.Is(err, errTruncated) {
			if !first {
				break // the rest comes with the next fetch
			}
			err = &batchError{reason: "the answer ends inside it", base: p.next, last: -1, whole: data}
		}
		if err == nil && b.next() > p.next {
			err = w.takeBatch(p, &b)
		}
		var bad *batchError
		if errors.As(err, &bad) {
			return errors.Join(w.flush(p), w.unreadable(p, bad, rest, f.highWater))
		}
		if err != nil {
			return err
		}
		data = rest
	}
	return w.flush(p)
}

// takeBatch gathers the records of a batch and moves behind it: to where it once ended, for compaction may
// have removed its last records (or all).
func (w *worker) takeBatch(p *partition, b *batch) error {
	aborted := &w.fetcher.aborted
	aborted.advance(b)
	switch {
	case b.control():
		messages, err := w.reader.read(b)
		if err != nil {
			return err
		}
		aborted.marker(b, messages)
	case aborted.drops(b):
		w.source.stats.aborted.Add(uint64(max(0, b.count)))
	default:
		messages, err := w.reader.read(b)
		if err != nil {
			return err
		}
		for i := range messages {
			if messages[i].offset < p.next {
				continue // batches come whole, also those begun before
			}
			w.entries.add(p, &messages[i])
			if w.entries.full() && i+1 < len(messages) {
				if err := w.hand(p, messages[i].offset+1); err != nil {
					return err
				}
			}
		}
	}
	p.next = b.next()
	if w.entries.full() {
		return w.flush(p)
	}
	return nil
}

// flush hands over what was gathered, up to next.
func (w *worker) flush(p *partition) error {
	err := w.hand(p, p.next)
	w.reader.reset()
	return err
}

// hand gives the gathered records to the Sink; with them everything before next is taken. The entries of a
// message are never parted, so that a crash leaves all of them or none in each shard.
func (w *worker) hand(p *partition, next int64) error {
	n := len(w.entries.recs)
	if n == 0 {
		p.ledger.skip(next)
	} else {
		id := p.ledger.hand(next)
		err := w.source.opts.Sink.Take(w.entries.recs, &p.ledger, id)
		w.entries.reset()
		if err != nil {
			p.ledger.Acked(id, err)
			w.source.sinkEnded()
			return errSinkEnded
		}
		w.source.stats.records.Add(uint64(n))
	}
	p.taken.Store(next)
	return nil
}

// badTries is how often a batch is fetched again before it is given up.
const badTries = 4

// unreadable deals with a batch that cannot be read: it is fetched again, for the fault may be the
// transfer's; then one dead letter takes its place. If it cannot be told where it ends, the partition
// stops: data is not left out without a trace.
func (w *worker) unreadable(p *partition, e *batchError, rest []byte, highWater int64) error {
	if p.bad != e.base {
		p.bad, p.badTries = e.base, 0
	}
	p.badTries++
	w.source.stats.errors.Add(1)
	if p.badTries < badTries {
		w.source.log.Warn(causeBatch).Err(e).Str("partition", p.label).Msg("kafka: a batch cannot be read; fetching it again")
		w.postpone(p)
		return nil
	}
	last := e.last
	if following, _, err := nextBatch(rest); err == nil {
		last = following.base - 1
	}
	if last < e.base || last < p.next || last >= highWater {
		w.stop(p, e.Error()+"; and it does not say where it ends: look at the topic with kafka-dump-log.sh, then set the group's offset behind it")
		return nil
	}
	e.base = max(e.base, p.next)
	w.source.log.Error(causeBatch).Err(e).Str("partition", p.label).Int64("last", last).Msg("kafka: a batch cannot be read; it goes to the dead letters and is left out")
	w.source.stats.unreadable.Add(1)
	w.entries.unreadable(p, e, last)
	p.next, p.badTries = last+1, 0
	return w.flush(p)
}
