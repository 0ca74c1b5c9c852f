package app

import (
	"sync"
	"sync/atomic"

	"github.com/milepost-io/milepost/ingest"
)

// gate is where records from outside wait while intake is stopped. It is open at first. What the engine
// appends itself does not pass through it. Safe for concurrent use.
type gate struct {
	mu   sync.Mutex
	shut atomic.Pointer[shut] // nil while it is open
}

type shut struct {
	reason string
	opened chan struct{}
}

// close lets nothing through until open; of a closed gate it changes the reason.
func (g *gate) close(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &shut{reason: reason, opened: make(chan struct{})}
	if was := g.shut.Load(); was != nil {
		s.opened = was.opened
	}
	g.shut.Store(s)
}

// open lets everything through.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.shut.Swap(nil); s != nil {
		close(s.opened)
	}
}

// closed is why the gate is closed; ok is false while it is open.
func (g *gate) closed() (reason string, ok bool) {
	s := g.shut.Load()
	if s == nil {
		return "", false
	}
	return s.reason, true
}

// wait returns when the gate is open, or with an error when the engine ends.
func (g *gate) wait(ending <-chan struct{}) error {
	for s := g.shut.Load(); s != nil; s = g.shut.Load() {
		select {
		case <-s.opened:
		case <-ending:
			return errEnding
		}
	}
	return nil
}

// refuse is wait that does not wait.
func (g *gate) refuse(<-chan struct{}) error {
	if reason, ok := g.closed(); ok {
		return &ingest.Stopped{Reason: reason}
	}
	return nil
}

// refusing is the door for sources that can tell their sender to come again: where the intake blocks while
// it is stopped, this says so (*ingest.Stopped).
type refusing struct{ *intake }

var _ ingest.Sink = refusing{}

// Take implements ingest.Sink.
func (r refusing) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	return r.take(recs, ack, id, r.gate.refuse)
}
