package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/milepost-io/milepost/state/log"
)

// ShardOptions says what a Shard runs, from where to where.
type ShardOptions struct {
	Log   log.Log
	Store *Store // opened and closed by the caller
	Step  Step
	Stage log.Stream
	Shard uint16
	// Now is the wall clock that arrivals are stamped with, Unix ms (E18).
	Now func() int64
	// Build names this build in start records.
	Build string
	// Memory bounds documents in memory, in bytes; 0: without bound.
	Memory int64
	// Interval is the time between write-backs; 0: 5 s. A longer one costs less and replays longer.
	Interval time.Duration
	// TickEvery is how often an idle shard with a timer due, or with Hurry true, moves its clock; 0: 1 s.
	// IdleTickEvery is how often any idle shard does; 0: 1 min. Only Events shards tick for the clock.
	TickEvery, IdleTickEvery time.Duration
	// Hurry reports whether others wait for this shard's clock: a message held by any notify shard of
	// the process (E9). nil: nobody does. It is called from the shard's goroutine.
	Hurry func() bool
	// Live is called once, when the shard has applied its own start record and that is durable (E13):
	// what it can read then is the state that effects begin with. nil: nobody wants to know.
	Live func(View)
	// Feed is called after that with the row changes in FeedSpaces, in order, each when the record that
	// caused it is durable (E4). It must not block, and must not keep the slice. nil: nothing is fed.
	Feed       func([]RowOp)
	FeedSpaces []Space
	// Retention says which rows are deleted when they are old; of the others none is.
	Retention []Retention
	// Readers is how many goroutines read missing documents ahead; 0: 4.
	Readers int
	// Guard finds step calls that end the process; the shards of a process share it. nil: nobody does.
	Guard *Guard
	// Tuning of the Machine; see MachineOptions.
	ClockEvery time.Duration
	RoundTrip  bool
	Logger     *slog.Logger
}

// Shard applies one partition of a log to a Step, for as long as Run runs.
//
//   - Records are applied by one goroutine, in log order, from the stored position on (E1).
//   - Handovers are appended in the order they were made; after an append that failed the shard ends
//     rather than skip it.
//   - Documents, timers, rows and the position are written back together, when the log holds everything
//     they were made from and everything that was emitted meanwhile (E3).
//   - Nothing is fed before the shard has applied its own start record (E13), and nothing whose cause is
//     not durable (E4).
//   - The log is trimmed below the flushed position only (E4).
//
// A Shard is run once. Its methods may be called concurrently.
type Shard struct {
	opt     ShardOptions
	part    log.Partition
	m       *Machine
	mailbox chan query
	done    chan struct{} // closed when Run has returned
	live    chan struct{}
	applied progress
	flushed progress
}

var (
	// ErrStopped is returned by a Shard whose Run has returned.
	ErrStopped = errors.New("state: shard has stopped")
	// ErrGap is returned for a store that the log does not join on to.
	ErrGap = errors.New("state: log does not reach the store")
)

// NewShard reads the stored position and timers. It refuses a store of another log (E15) and one whose
// position the log has trimmed or never reached.
func NewShard(o ShardOptions) (*Shard, error) {
	if o.Interval == 0 {
		o.Interval = 5 * time.Second
	}
	if o.TickEvery == 0 {
		o.TickEvery = time.Second
	}
	if o.IdleTickEvery == 0 {
		o.IdleTickEvery = time.Minute
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		return nil, errors.New("state: shard without a clock")
	}
	m, err := NewMachine(machineOptions(&o))
	if err != nil {
		return nil, err
	}
	s := &Shard{
		opt: o, m: m, part: log.Partition{Stream: o.Stage, Shard: o.Shard},
		mailbox: make(chan query), done: make(chan struct{}), live: make(chan struct{}),
	}
	first, next := o.Log.Range(s.part)
	if p := m.Position(); p < first || p > next {
		return nil, fmt.Errorf("%w: %s shard %d: store stands at record %d, log keeps %d to %d",
			ErrGap, o.Stage, o.Shard, p, first, next)
	}
	s.applied.set(m.Position())
	s.flushed.set(m.Position())
	return s, nil
}

func machineOptions(o *ShardOptions) MachineOptions {
	mo := MachineOptions{
		Step: o.Step, Stage: o.Stage, Shard: o.Shard, LogID: o.Log.ID(), Backing: o.Store,
		Memory: o.Memory, ClockEvery: o.ClockEvery, RoundTrip: o.RoundTrip,
	}
	if o.Stage == log.Events {
		mo.Receivers = o.Log.Shards(log.Notices)
	} else {
		mo.Senders = o.Log.Shards(log.Events)
	}
	if o.Guard != nil {
		mo.Condemned = o.Guard.Condemned(log.Partition{Stream: o.Stage, Shard: o.Shard})
	}
	return mo
}

// Live is closed when the shard has applied its own start record and that is durable.
func (s *Shard) Live() <-chan struct{} { return s.live }

// Applied is the offset after the last record applied.
func (s *Shard) Applied() log.Offset { return s.applied.get() }

// Flushed is the position that a reopened store stands at, at least.
func (s *Shard) Flushed() log.Offset { return s.flushed.get() }

// WaitApplied returns when every record below end has been applied.
func (s *Shard) WaitApplied(ctx context.Context, end log.Offset) error {
	return s.wait(ctx, &s.applied, end)
}

// WaitFlushed returns when the state after the record before end is on disk, and what it caused has been fed.
func (s *Shard) WaitFlushed(ctx context.Context, end log.Offset) error {
	return s.wait(ctx, &s.flushed, end)
}

func (s *Shard) wait(ctx context.Context, p *progress, end log.Offset) error {
	for {
		moved, ok := p.reached(end)
		if ok {
			return nil
		}
		select {
		case <-moved:
		case <-s.done:
			return ErrStopped
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Query calls fn between two records and returns when it has returned. What View reads is valid during
// the call; fn must be quick, the shard waits for it.
func (s *Shard) Query(ctx context.Context, fn func(View)) error {
	q := query{fn, make(chan struct{})}
	select {
	case s.mailbox <- q:
	case <-s.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	<-q.done // the shard answers what it has taken
	return nil
}

type query struct {
	fn   func(View)
	done chan struct{}
}

// progress is an offset that can be waited for.
type progress struct {
	mu    sync.Mutex
	at    log.Offset
	moved chan struct{} // closed at the next move; nil when nobody waits
}

func (p *progress) get() log.Offset {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func (p *progress) set(at log.Offset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
	if p.moved != nil {
		close(p.moved)
		p.moved = nil
	}
}

func (p *progress) reached(end log.Offset) (moved <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at >= end {
		return nil, true
	}
	if p.moved == nil {
		p.moved = make(chan struct{})
	}
	return p.moved, false
}
