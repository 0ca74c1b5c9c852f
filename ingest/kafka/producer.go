package kafka

import (
	"cmp"
	"context"
	"sync"
	"time"
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

	mu     sync.Mutex
	lanes  map[laneID]*lane
	forgot time.Time
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
