package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/segmentio/kafka-go"

	"github.com/milepost-io/milepost/ingest"
)

// Recording reads a topic from its beginning to the end that it had when it was opened, as events that
// were recorded: a record's timestamp is its arrival. It joins no group and commits nothing. Partitions
// are merged by time; an arrival below an earlier one is raised to it (S1). Records of transactions that
// were aborted are left out. It is used by one goroutine at a time.
type Recording struct {
	cluster Cluster
	client  *client
	parts   []*recorded
	arrival int64
}

// recorded is a partition of a Recording and what of it was fetched.
type recorded struct {
	partition
	fetcher *fetcher
	reader  reader
	entries entries
	times   []int64 // of entries.recs
	at      int     // of those, the next
	end     int64
}

// recordingTries is how often a fetch is tried while a leader moves.
const recordingTries = 8

// OpenRecording opens a topic. Close it.
func OpenRecording(ctx context.Context, c Cluster, t Topic) (*Recording, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	codecs := DefaultCodecs()
	if _, ok := codecs[t.Codec]; !ok {
		return nil, fmt.Errorf("kafka topic %q: unknown codec %q", t.Name, t.Codec)
	}
	cl, err := c.client([]string{t.Name})
	if err != nil {
		return nil, err
	}
	r := &Recording{cluster: c, client: cl}
	if err := r.open(ctx, t, newRoute(t, codecs)); err != nil {
		cl.close()
		return nil, fmt.Errorf("kafka topic %q: %w", t.Name, c.Explain(err))
	}
	return r, nil
}

// Close closes the connections.
func (r *Recording) Close() error {
	r.client.close()
	return nil
}

func (r *Recording) open(ctx context.Context, t Topic, route *route) error {
	infos, err := r.client.metadata(ctx, []string{t.Name})
	if err != nil {
		return err
	}
	info := infos[t.Name]
	if info.err != nil {
		return info.err
	}
	if len(info.leaders) == 0 {
		return kafka.UnknownTopicOrPartition
	}
	var ask []kafka.OffsetRequest
	for id, leader := range info.leaders {
		p := &recorded{partition: partition{
			topic: t.Name, id: id, topicID: info.id, label: fmt.Sprintf("%s/%d", t.Name, id), origin: originOf(t.Name, id, info.id),
			route: route, leader: leader,
		}}
		p.entries.source = "kafka"
		r.parts = append(r.parts, p)
		ask = append(ask, kafka.FirstOffsetOf(int(id)), kafka.LastOffsetOf(int(id)))
	}
	slices.SortFunc(r.parts, func(a, b *recorded) int { return int(a.id - b.id) })
	res, err := r.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{t.Name: ask}, IsolationLevel: kafka.ReadCommitted,
	})
	if err != nil {
		return err
	}
	for _, o := range res.Topics[t.Name] {
		if o.Error != nil {
			return o.Error
		}
		if i := slices.IndexFunc(r.parts, func(p *recorded) bool { return int(p.id) == o.Partition }); i >= 0 {
			r.parts[i].next, r.parts[i].end = o.FirstOffset, o.LastOffset
		}
	}
	return nil
}

// Next returns the next record, which is valid until the call after, or io.EOF at the end.
func (r *Recording) Next(ctx context.Context) (ingest.Record, error) {
	var first *recorded
	for _, p := range r.parts {
		if p.at == len(p.entries.recs) {
			if err := r.refill(ctx, p); err != nil {
				return ingest.Record{}, fmt.Errorf("kafka: read %s at offset %d: %w", p.label, p.next, r.cluster.Explain(err))
			}
		}
		if p.at < len(p.entries.recs) && (first == nil || p.times[p.at] < first.times[first.at]) {
			first = p
		}
	}
	if first == nil {
		return ingest.Record{}, io.EOF
	}
	rec := first.entries.recs[first.at]
	r.arrival = max(r.arrival, first.times[first.at])
	rec.Arrival = r.arrival
	first.at++
	return rec, nil
}

// refill fetches until the partition has records or is at its end.
func (r *Recording) refill(ctx context.Context, p *recorded) error {
	p.entries.reset()
	p.reader.reset()
	p.times, p.at = p.times[:0], 0
	for failures := 0; p.next < p.end && len(p.entries.recs) == 0; {
		err := r.fetch(ctx, p)
		if err == nil {
			failures = 0
			continue
		}
		var bad *batchError
		if failures++; failures == recordingTries || ctx.Err() != nil || errors.As(err, &bad) && failures == badTries {
			return err
		}
		pause(ctx, backoff(failures), nil)
		if infos, err := r.client.metadata(ctx, []string{p.topic}); err == nil {
			p.leader, p.fetcher = infos[p.topic].leaders[p.id], nil
		}
	}
	return nil
}

func (r *Recording) fetch(ctx context.Context, p *recorded) error {
	if p.fetcher == nil {
		p.fetcher = newFetcher(r.client, p.leader)
	}
	err := p.fetcher.fetch(ctx, []wanted{{topic: p.topic, id: p.topicID, partition: p.id, offset: p.next}})
	if err != nil {
		return err
	}
	var f fetched
	for {
		more, err := p.fetcher.next(&f)
		if err != nil || !more {
			return err
		}
		if f.code != 0 {
			return kafka.Error(f.code)
		}
		if err := p.take(&f); err != nil {
			return err
		}
	}
}

// take gathers the records of an answer, batch by batch, up to the end.
func (p *recorded) take(f *fetched) error {
	for data, first := f.records, true; len(data) > 0 && p.next < p.end; first = false {
		b, rest, err := nextBatch(data)
		switch {
		case errors.Is(err, errTruncated) && !first:
			return nil // the rest comes with the next fetch
		case errors.Is(err, errTruncated):
			return &batchError{reason: "the answer ends inside it", base: p.next, last: -1}
		case err != nil:
			return err
		}
		if b.next() > p.next {
			if err := p.batch(&b); err != nil {
				return err
			}
			p.next = b.next()
		}
		data = rest
	}
	return nil
}

func (p *recorded) batch(b *batch) error {
	aborted := &p.fetcher.aborted
	aborted.advance(b)
	if !b.control() && aborted.drops(b) {
		return nil
	}
	messages, err := p.reader.read(b)
	if err != nil {
		return err
	}
	if b.control() {
		aborted.marker(b, messages)
		return nil
	}
	for i := range messages {
		m := &messages[i]
		if m.offset < p.next || m.offset >= p.end {
			continue
		}
		p.entries.add(&p.partition, m)
		for len(p.times) < len(p.entries.recs) {
			p.times = append(p.times, m.time)
		}
	}
	return nil
}
