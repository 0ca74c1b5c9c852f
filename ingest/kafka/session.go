package kafka

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// session is our part in one generation of the group: the partitions it gave us, a worker for each broker
// that leads some, and a keeper that commits offsets and follows the cluster.
//
// At most one session takes: a new one waits until the workers of the one before have ended, which may
// still wait in the Sink when their partitions have long been taken away. So records of a partition enter
// the log in the order of their offsets.
type session struct {
	source *Source
	client *client
	gen    *kafka.Generation
	// done is closed when every goroutine of this session and of those before has ended.
	done chan struct{}
	// settled is told when a partition's records are all durable.
	settled chan struct{}
	// refresh asks the keeper for metadata.
	refresh chan struct{}
	wg      sync.WaitGroup
	// end ends the session before its generation.
	end context.CancelFunc

	mu      sync.Mutex
	topics  []assigned
	changed chan struct{} // closed when a worker may have something to do
	workers map[int32]bool

	commitMu sync.Mutex
}

// assigned are the partitions of one topic.
type assigned struct {
	name  string
	parts []*partition
	// partitions is how many the topic had when the generation began.
	partitions int
}

func newSession(s *Source, c *client, gen *kafka.Generation) *session {
	return &session{
		source: s, client: c, gen: gen, done: make(chan struct{}), settled: make(chan struct{}, 1), refresh: make(chan struct{}, 1),
		changed: make(chan struct{}), workers: map[int32]bool{}, end: func() {},
	}
}

// serve takes until the generation ends, then lets go in order: workers stop, what they took becomes
// durable, its offsets are committed. That is bounded, for heartbeats have stopped.
func (s *session) serve(gen context.Context, before *session) {
	if before != nil {
		select {
		case <-before.done:
		case <-gen.Done():
			go func() { <-before.done; close(s.done) }()
			return
		}
	}
	ctx, cancel := context.WithCancel(gen)
	defer cancel()
	s.end = cancel
	s.source.balancer.hold(s.gen)
	if s.prepare(ctx) {
		s.wg.Go(func() { s.keep(ctx) })
		<-ctx.Done()
	}
	go func() { s.wg.Wait(); close(s.done) }()
	s.drain()
}

// drain waits for the workers and for durability, and commits.
func (s *session) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), s.source.opts.DrainTimeout)
	defer cancel()
	select {
	case <-s.done:
	case <-ctx.Done():
		s.source.log.Warn(causeDrain).Msg("kafka: partitions are taken away while their records wait for the log; they will come again and change nothing")
	}
	for !s.idle() {
		select {
		case <-s.settled:
		case <-ctx.Done():
			s.source.log.Warn(causeDrain).Msg("kafka: partitions are taken away before their last records are durable; they will come again and change nothing")
			s.commit()
			return
		}
	}
	s.commit()
}

func (s *session) idle() bool {
	for _, p := range s.parts() {
		if _, idle, _ := p.ledger.state(); !idle {
			return false
		}
	}
	return true
}

func (s *session) parts() []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*partition
	for _, t := range s.topics {
		out = append(out, t.parts...)
	}
	return out
}

// watch returns a channel that is closed at the next change of what there is to do.
func (s *session) watch() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// wake tells the workers to look again. The lock is held.
func (s *session) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// claim takes hold of the partitions that the worker's broker leads and that are due, in an order that
// turns: an answer has room for a few. Without any it returns how long to wait at most.
func (w *worker) claim() time.Duration {
	s := w.session
	s.mu.Lock()
	defer s.mu.Unlock()
	now, wait := time.Now(), time.Minute
	w.parts = w.parts[:0]
	w.turn++
	for i := range s.topics {
		parts := s.topics[(i+w.turn)%len(s.topics)].parts
		for j := range parts {
			p := parts[(j+w.turn)%len(parts)]
			switch {
			case p.leader != w.broker || p.held || !p.located:
			case p.notBefore.After(now):
				wait = min(wait, p.notBefore.Sub(now))
			default:
				p.held = true
				w.parts = append(w.parts, p)
			}
		}
	}
	return wait
}

func (w *worker) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	moved := false
	for _, p := range w.parts {
		p.held = false
		moved = moved || p.leader != w.broker
	}
	if moved {
		w.wake()
	}
}

// postpone leaves a partition alone for a while that grows with its failures.
func (s *session) postpone(p *partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.notBefore = time.Now().Add(backoff(p.tries))
	p.tries++
}

// stop stops a partition for a reason that does not pass by itself; it is tried again now and then.
func (s *session) stop(p *partition, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopLocked(p, reason)
}

func (s *session) stopLocked(p *partition, reason string) {
	p.notBefore = time.Now().Add(s.source.opts.RetryStopped)
	p.tries++
	if p.stopped == reason {
		s.source.log.Error(causeStopped).Str("partition", p.label).Str("reason", reason).Msg("kafka: still nothing is taken from a partition")
		return
	}
	p.stopped = reason
	s.source.log.Plain.Error().Str("partition", p.label).Str("reason", reason).Msg("kafka: nothing is taken from a partition any more; the others go on")
}

// askMetadata makes the keeper look who leads what.
func (s *session) askMetadata() {
	select {
	case s.refresh <- struct{}{}:
	default:
	}
}

// setFailure notes what is wrong with the cluster as a whole, nil: nothing any more.
func (s *session) setFailure(err error) { s.source.setFailure(err) }

const (
	// metadataEvery is how often the cluster is asked for leaders, ids and partitions.
	metadataEvery = 5 * time.Second
	// metadataPause is the shortest time between two such questions.
	metadataPause = 250 * time.Millisecond
	// positionEvery is how often Position is told.
	positionEvery = 10 * time.Second
	// rejoinPause is how long a generation lasts at least before we end it.
	rejoinPause = 5 * time.Second
)

// keep commits offsets and follows the cluster until the session ends.
func (s *session) keep(ctx context.Context) {
	begun := time.Now()
	commit := time.NewTicker(s.source.opts.CommitInterval)
	defer commit.Stop()
	every := time.NewTicker(metadataEvery)
	defer every.Stop()
	var told time.Time
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-commit.C:
			s.commit()
			if time.Since(told) >= positionEvery {
				s.tellPositions()
				told = time.Now()
			}
			continue
		case <-every.C:
		case <-s.refresh:
			pause(ctx, metadataPause+backoff(failures)/4, nil)
		}
		grown, err := s.follow(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			failures++
			s.source.log.Warn(causeMetadata).Err(s.source.opts.Cluster.Explain(err)).Msg("kafka: the cluster does not say who leads what; trying again")
		default:
			failures = 0
			if grown && time.Since(begun) > rejoinPause {
				s.end() // the next generation shares the new partitions out
			}
		}
	}
}

// follow takes over who leads which partition, starts workers for new leaders and stops the partitions of
// topics that were made again. It reports whether a topic has more partitions than were shared out.
func (s *session) follow(ctx context.Context) (grown bool, err error) {
	infos, err := s.client.metadata(ctx, s.source.names)
	if err != nil {
		return false, err
	}
	var missing []string
	for _, name := range s.source.names {
		if info := infos[name]; len(info.leaders) == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		s.source.log.Warn(causeMissing).Strs("topics", missing).Msg("kafka: topics that do not exist, or that we may not see; make them, or look at kafka.topics")
	}
	var again []*partition
	s.mu.Lock()
	for i := range s.topics {
		t := &s.topics[i]
		info := infos[t.name]
		if info.err != nil || len(info.leaders) == 0 {
			continue
		}
		grown = grown || len(info.leaders) != t.partitions
		for _, p := range t.parts {
			s.followPartition(p, &info)
			if !p.located && !p.held && !p.notBefore.After(time.Now()) {
				again = append(again, p)
			}
		}
	}
	s.wake()
	s.mu.Unlock()
	if len(again) > 0 {
		err = s.locate(ctx, again, infos)
	}
	s.startWorkers(ctx)
	return grown, err
}

// followPartition takes over a leader. The lock is held.
func (s *session) followPartition(p *partition, info *topicInfo) {
	leader, ok := info.leaders[p.id]
	if !ok {
		leader = -1
	}
	if leader != p.leader {
		p.leader, p.notBefore = leader, time.Time{}
	}
	if p.located && info.id != p.topicID {
		p.located = false
		s.stopLocked(p, recreated(p.topic, p.topicID.String(), info.id, s.source.opts.Group))
	}
}

// startWorkers starts a worker for each broker that leads something of ours and has none.
func (s *session) startWorkers(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.topics {
		for _, p := range t.parts {
			if p.leader < 0 || s.workers[p.leader] || ctx.Err() != nil {
				continue
			}
			s.workers[p.leader] = true
			w := &worker{session: s, broker: p.leader, fetcher: newFetcher(s.client, p.leader), entries: entries{source: s.source.opts.Source}}
			s.wg.Go(func() { w.work(ctx) })
		}
	}
}

func recreated(topic, was string, is topicID, group string) string {
	return fmt.Sprintf("topic %s was made again: its id is %v and was %s, so its offsets mean other messages. To take the new topic, stop the engine, "+
		"set the group's offsets (kafka-consumer-groups.sh --bootstrap-server … --group %s --topic %s --reset-offsets --to-earliest --execute) and start it again", topic, is, was, group, topic)
}

// outOfRange says what is wrong with the offset we are at.
func (s *session) outOfRange(ctx context.Context, p *partition) string {
	all, err := s.bounds(ctx, []*partition{p})
	at, ok := all[p]
	if err == nil && !ok {
		err = errAnswer
	}
	first, last := at.first, at.last
	var b strings.Builder
	fmt.Fprintf(&b, "offset %d is out of range", p.next)
	switch {
	case err != nil:
		fmt.Fprintf(&b, " (where the partition begins and ends cannot be told: %v)", err)
	case p.next < first:
		fmt.Fprintf(&b, ": the partition begins at %d, so the cluster removed %d offsets before they were read (retention)", first, first-p.next)
	default:
		fmt.Fprintf(&b, ": the partition ends at %d, so messages that were taken are gone from the cluster (an unclean election, or a topic made again); "+
			"what is written below offset %d from now on would be taken for redeliveries", last, p.next)
	}
	fmt.Fprintf(&b, ". To go on with what is there, stop the engine, set the group's offset "+
		"(kafka-consumer-groups.sh --bootstrap-server … --group %s --topic %s:%d --reset-offsets --to-earliest --execute) and start it again", s.source.opts.Group, p.topic, p.id)
	return b.String()
}
