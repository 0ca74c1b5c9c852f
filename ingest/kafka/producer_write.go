package kafka

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// write sends a batch until it is written, refused, or the bridge has passed; each message has its error
// then. A batch that the broker refuses for what it holds is halved to find the record that it means.
func (p *Producer) write(ctx context.Context, id laneID, batch []*sending) {
	ctx, cancel := context.WithTimeout(ctx, p.opt.Bridge)
	defer cancel()
	p.writeHalves(ctx, id, batch)
}

func (p *Producer) writeHalves(ctx context.Context, id laneID, batch []*sending) {
	err := p.bridge(ctx, func(ctx context.Context) error { return p.attempt(ctx, id, batch) })
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
func (p *Producer) bridge(ctx context.Context, f func(context.Context) error) error {
	var last error
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f(ctx)
		if reasonOf(err) != Unavailable {
			return err
		}
		if last == nil || ctx.Err() == nil { // the end of our patience is no cause
			last = err
		}
		p.forget()
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return last
		case <-timer.C:
		}
	}
}

// forgetEvery is how often the cluster is looked at anew while it does not answer as it should.
const forgetEvery = 250 * time.Millisecond

// forget makes the next request look at the cluster anew: what the transport remembers, a leader that has
// moved or brokers that did not answer, it would ask about some seconds later.
func (p *Producer) forget() {
	p.mu.Lock()
	now := time.Now()
	due := now.Sub(p.forgot) >= forgetEvery
	if due {
		p.forgot = now
	}
	p.mu.Unlock()
	if due {
		p.client.transport.CloseIdleConnections()
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
	if !errors.Is(err, kafka.UnknownTopicOrPartition) && !errors.Is(err, protocol.ErrNoTopic) {
		return p.classify(id.topic, err)
	}
	// A moment ago it was known: its leader is moving, or no broker answers any more.
	if _, why := p.layout(ctx, id.topic); reasonOf(why) == Unavailable {
		return why
	}
	return &ProduceError{Topic: id.topic, Reason: Unavailable, Advice: noTopic, Err: err}
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
	err = p.bridge(ctx, func(ctx context.Context) error {
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
