package kafka

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/milepost-io/milepost/ingest/limitlog"
)

// Source takes the messages of topics as a member of a consumer group.
//
// What may be relied on: a message's offset is committed only after its records are durable in the Sink's
// log, and no offset before that of an earlier message of its partition (E4). So a message may come again,
// after a crash or when partitions move, under the same Origin and Seq, and within a partition always in
// order; it is never left out. What cannot be read is quarantined with its bytes. A partition of which
// records were lost in the cluster, or whose topic was made again, stops and says why; the others go on.
//
// All goroutines belong to Run. Stats may be called at any time.
type Source struct {
	opts     Options
	names    []string
	log      *limitlog.Logger[cause]
	balancer *stickyBalancer
	stats    counters
	// sinkEnded ends the taking.
	sinkEnded context.CancelFunc

	mu sync.Mutex
	// ids are the topics' ids as first seen by this process.
	ids map[string]topicID
	// current is the newest session, nil before the first.
	current *session
	joined  bool
	failure string
}

// New checks the options. It connects to nothing: a cluster that cannot be reached is for Run to wait for.
func New(o Options) (*Source, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Source{opts: o, log: limitlog.New(o.Logger, causes), balancer: newStickyBalancer(), ids: map[string]topicID{}}
	for _, t := range o.Topics {
		s.names = append(s.names, t.Name)
	}
	return s, nil
}

// Run takes messages until ctx ends; then it waits, at most DrainTimeout, for records to become durable,
// commits their offsets and leaves the group. A Sink that has ended, as it does with the engine, ends the
// taking; Run still waits for ctx. The error is that of options which New could not check.
func (s *Source) Run(ctx context.Context) error {
	client, err := s.opts.Cluster.client(s.names)
	if err != nil {
		return err
	}
	defer client.close()
	var groupConns conns
	defer groupConns.close()
	dialer, err := s.opts.Cluster.dialer(&groupConns)
	if err != nil {
		return err
	}
	group, err := kafka.NewConsumerGroup(s.groupConfig(dialer))
	if err != nil {
		return err
	}
	taking, end := context.WithCancel(ctx)
	defer end()
	s.sinkEnded = end
	s.follow(taking, client, group)
	s.leave(group, client, &groupConns)
	<-ctx.Done()
	return nil
}

// leave ends the last session and membership. The cluster may be away: then connections are cut.
func (s *Source) leave(group *kafka.ConsumerGroup, client *client, conns *conns) {
	closed := make(chan struct{})
	go func() { defer close(closed); _ = group.Close() }()
	select {
	case <-closed:
	case <-time.After(s.opts.DrainTimeout + requestTimeout):
		s.log.Warn(causeDrain).Msg("kafka: the group could not be left in time; its other members wait for the session to end")
		conns.close()
		client.close()
		<-closed
	}
	s.mu.Lock()
	last := s.current
	s.mu.Unlock()
	if last != nil {
		<-last.done // a worker may wait in the Sink, which ends that with the engine
	}
}

func (s *Source) groupConfig(dialer *kafka.Dialer) kafka.ConsumerGroupConfig {
	start := kafka.FirstOffset
	if s.opts.Latest {
		start = kafka.LastOffset
	}
	return kafka.ConsumerGroupConfig{
		ID: s.opts.Group, Brokers: s.opts.Cluster.Brokers, Dialer: dialer, Topics: s.names, StartOffset: start,
		GroupBalancers: []kafka.GroupBalancer{s.balancer, kafka.RangeGroupBalancer{}},
		SessionTimeout: s.opts.SessionTimeout, RebalanceTimeout: s.opts.SessionTimeout, HeartbeatInterval: s.opts.SessionTimeout / 10,
		JoinGroupBackoff: time.Second + rand.N(2*time.Second),
	}
}

// follow serves the generations of the group, one after the other, until ctx ends.
func (s *Source) follow(ctx context.Context, client *client, group *kafka.ConsumerGroup) {
	for {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, kafka.RebalanceInProgress):
		case err != nil:
			err = s.opts.Cluster.Explain(err)
			s.setFailure(err)
			s.stats.errors.Add(1)
			s.log.Warn(causeGroup).Err(err).Str("group", s.opts.Group).Msg("kafka: cannot join the group; trying again")
		default:
			s.serve(client, gen)
		}
	}
}

// serve starts a session.
func (s *Source) serve(client *client, gen *kafka.Generation) {
	s.stats.generations.Add(1)
	sess := newSession(s, client, gen)
	s.mu.Lock()
	before := s.current
	s.current, s.joined, s.failure = sess, true, ""
	s.mu.Unlock()
	gen.Start(func(ctx context.Context) {
		sess.serve(ctx, before)
		s.mu.Lock()
		s.joined = false
		s.mu.Unlock()
	})
}

func (s *Source) setFailure(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = ""
	if err != nil {
		s.failure = err.Error()
	}
}
