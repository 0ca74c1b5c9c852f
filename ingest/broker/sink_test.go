package broker

import (
	"sync"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// taken is a record as the sink copied it.
type taken struct {
	key, payload, topic, codec string
	party, oversize            bool
	types                      ingest.Types
}

// heldSink is a log whose sync is in the test's hands: nothing is durable until the test says so.
type heldSink struct {
	mu      sync.Mutex
	changed sync.Cond
	recs    []taken
	acks    []heldAck
	blocked bool
	ended   error
}

type heldAck struct {
	to ingest.Acker
	id uint64
}

func newHeldSink() *heldSink {
	s := &heldSink{}
	s.changed.L = &s.mu
	return s
}

func (s *heldSink) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.blocked && s.ended == nil {
		s.changed.Wait()
	}
	if s.ended != nil {
		return s.ended
	}
	for _, r := range recs {
		s.recs = append(s.recs, taken{string(r.Key), string(r.Payload), r.Topic, r.Codec, r.Party, r.Oversize, r.Types})
	}
	s.acks = append(s.acks, heldAck{ack, id})
	s.changed.Broadcast()
	return nil
}

// await returns when n messages have been taken.
func (s *heldSink) await(n int) []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.acks) < n {
		s.changed.Wait()
	}
	return append([]taken(nil), s.recs...)
}

func (s *heldSink) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acks)
}

// sync makes the messages at the given positions durable, in the order given.
func (s *heldSink) sync(err error, positions ...int) {
	for _, i := range positions {
		s.mu.Lock()
		a := s.acks[i]
		s.mu.Unlock()
		if a.to != nil {
			a.to.Acked(a.id, err)
		}
	}
}

func (s *heldSink) block(on bool) {
	s.mu.Lock()
	s.blocked = on
	s.changed.Broadcast()
	s.mu.Unlock()
}

// end makes Take fail, as the engine does when it stops.
func (s *heldSink) end(err error) {
	s.mu.Lock()
	s.ended = err
	s.changed.Broadcast()
	s.mu.Unlock()
}

// autoSink is a log that syncs by itself: everything taken within an interval becomes durable together.
type autoSink struct {
	mu      sync.Mutex
	pending []heldAck
	spare   []heldAck
	groups  int
	wake    chan struct{}
	done    chan struct{}
	every   time.Duration
}

// newAutoSink must be called before the broker is started, so that it outlives it.
func newAutoSink(t testing.TB, every time.Duration) *autoSink {
	s := &autoSink{wake: make(chan struct{}, 1), done: make(chan struct{}), every: every}
	go s.run()
	t.Cleanup(func() { close(s.wake); <-s.done })
	return s
}

func (s *autoSink) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	s.mu.Lock()
	s.pending = append(s.pending, heldAck{ack, id})
	first := len(s.pending) == 1
	s.mu.Unlock()
	if first {
		s.wake <- struct{}{}
	}
	return nil
}

func (s *autoSink) run() {
	defer close(s.done)
	for range s.wake {
		if s.every > 0 {
			time.Sleep(s.every) // the time a sync takes
		}
		s.mu.Lock()
		group := s.pending
		s.pending, s.spare = s.spare[:0], group
		s.groups++
		s.mu.Unlock()
		for _, a := range group {
			if a.to != nil {
				a.to.Acked(a.id, nil)
			}
		}
	}
}
