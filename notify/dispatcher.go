package notify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// DispatcherOptions say where entries go and how patiently. Zero fields take the defaults in brackets.
type DispatcherOptions struct {
	// Channels by endpoint name.
	Channels map[string]Channel
	Results  Results
	// Generation of this process's start (E14).
	Generation uint64
	// Scan calls yield with every outbox row whose key begins with prefix, of all shards, those of one
	// vehicle in key order, until it returns false. It must show every row that Put was called with and
	// Remove was not, and none whose cause is not durable (E4). It is called at the start and after a full queue; nil: there is nothing to find.
	Scan func(ctx context.Context, prefix []byte, yield func(key, value []byte) bool) error
	// Clock is the engine's, Unix ms: it tells how old an entry is when it is taken in. Everything after
	// that runs on real time (E18). nil: the wall clock.
	Clock func() int64
	Log   zerolog.Logger

	// Concurrency is the number of calls at once to one destination [8], unless its channel is Wide.
	Concurrency int
	// Queue is how many entries of a destination are held in memory [100,000]; the others stay in the
	// store until there is room.
	Queue int
	// Retry n waits a random time up to min(RetryMax, RetryMin·2^n) [1 s, 1 h].
	RetryMin, RetryMax time.Duration
	// Horizons are how long an entry is tried [24 h for owners and feeds, 72 h for dealers].
	OwnerHorizon, DealerHorizon time.Duration
	// OrderWait is how long an entry waits at most for the one before it (S45) [15 min].
	OrderWait time.Duration
	// Timeout of one attempt, whatever the channel does [15 s].
	Timeout time.Duration
	// Grace is what calls under way have left to end when Run is told to stop [2 s].
	Grace   time.Duration
	Breaker BreakerOptions
}

func (o *DispatcherOptions) setDefaults() {
	o.Concurrency = cmp.Or(max(o.Concurrency, 0), 8)
	o.Queue = cmp.Or(max(o.Queue, 0), 100_000)
	o.RetryMin = cmp.Or(o.RetryMin, time.Second)
	o.RetryMax = cmp.Or(o.RetryMax, time.Hour)
	o.OwnerHorizon = cmp.Or(o.OwnerHorizon, 24*time.Hour)
	o.DealerHorizon = cmp.Or(o.DealerHorizon, 72*time.Hour)
	o.OrderWait = cmp.Or(o.OrderWait, 15*time.Minute)
	o.Timeout = cmp.Or(o.Timeout, 15*time.Second)
	o.Grace = cmp.Or(o.Grace, 2*time.Second)
	o.Breaker = o.Breaker.withDefaults()
	if o.Clock == nil {
		o.Clock = func() int64 { return time.Now().UnixMilli() }
	}
}

// Dispatcher sends outbox entries through their channels and appends how each ended.
//
// It promises: an entry is tried until it is delivered, refused or expired, and then exactly one result
// is appended while the process lives; entries of one vehicle go to an endpoint in order of creation; a
// destination that fails or is slow takes nothing from the others, each having its own queue, calls and
// breaker. What it remembers is memory alone: after a crash, what had no result yet is sent again under
// the same id with the same bytes.
//
// Put and Remove may be called from any goroutine, before and during Run; they do not block on I/O. They
// are to be called only with rows whose cause is durable (E4), and Run only once this process may send
// (E13).
type Dispatcher struct {
	opt DispatcherOptions

	mu      sync.Mutex
	to      map[string]*destination
	hold    hold // what a destination begins with; own is not used
	running *running

	paused atomic.Bool
}

// running is what a Run has started.
type running struct {
	ctx   context.Context // ends when Run is told to stop
	calls context.Context // of calls and results: ends Grace later
	wg    sync.WaitGroup
	fail  context.CancelCauseFunc
}

// NewDispatcher returns a Dispatcher that sends nothing until Run.
func NewDispatcher(o DispatcherOptions) (*Dispatcher, error) {
	if o.Results == nil {
		return nil, errors.New("new dispatcher: no Results: what was delivered could not be recorded")
	}
	o.setDefaults()
	d := &Dispatcher{opt: o, to: map[string]*destination{}}
	for name := range o.Channels {
		d.destination(name)
	}
	return d, nil
}

// Run sends until ctx ends. It returns when every goroutine it started has ended: nil after ctx ended,
// else why results can no longer be recorded.
func (d *Dispatcher) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	calls, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	r := &running{ctx: ctx, calls: calls, fail: fail}

	if err := d.discover(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	d.running = r
	for _, t := range d.to {
		r.start(t)
	}
	d.mu.Unlock()

	<-ctx.Done()
	d.mu.Lock()
	d.running = nil // nothing starts any more
	d.mu.Unlock()
	grace := time.AfterFunc(d.opt.Grace, stop)
	defer grace.Stop()
	r.wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// discover makes queues for endpoints that are no longer configured but have rows left.
func (d *Dispatcher) discover(ctx context.Context) error {
	if d.opt.Scan == nil {
		return nil
	}
	last := ""
	return d.opt.Scan(ctx, nil, func(key, _ []byte) bool {
		if name, _, _ := bytes.Cut(key, []byte{0}); string(name) != last {
			last = string(name)
			d.destination(last)
		}
		return true
	})
}

func (r *running) start(t *destination) { r.wg.Go(func() { t.run(r) }) }

// destination returns the queue of an endpoint. One that is not configured has a queue too: its entries
// wait, in case it comes back, and expire.
func (d *Dispatcher) destination(name string) *destination {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.to[name]
	if t == nil {
		t = newDestination(&d.opt, name, d.opt.Channels[name], &d.paused)
		t.hold = d.hold
		d.to[name] = t
		if d.running != nil {
			d.running.start(t)
		}
	}
	return t
}

// Put takes an outbox row that was set. It copies what it keeps.
func (d *Dispatcher) Put(key, value []byte) {
	e, err := ParseEntry(value)
	if err != nil {
		d.opt.Log.Error().Err(err).Msg("an outbox row cannot be read and is left where it is: was it written by a newer version?")
		return
	}
	d.destination(e.Endpoint).put(string(key), e)
}

// Remove takes away an outbox row that was deleted: it ended, or its message was recalled. A call under
// way is not stopped.
func (d *Dispatcher) Remove(key []byte) {
	name, _, _ := bytes.Cut(key, []byte{0})
	d.destination(string(name)).remove(string(key))
}

// Pause stops sending, and giving up, until it is called with false: what was sent might not be recorded.
// Calls under way end, and their results are appended.
func (d *Dispatcher) Pause(pause bool) {
	if d.paused.Swap(pause) == pause || pause {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.to {
		t.nudge()
	}
}

// EndpointStatus is how one destination does.
type EndpointStatus struct {
	Name string `json:"name"`
	// Configured is false of an endpoint that is no longer in the configuration but has entries left.
	Configured bool `json:"configured"`
	Disabled   bool `json:"disabled,omitempty"`
	// Held says that an operator stopped sending.
	Held    bool   `json:"held,omitempty"`
	Breaker string `json:"breaker"`
	// Openings counts how often the breaker opened.
	Openings int `json:"openings"`
	// Pending entries in memory; More says that the store holds others.
	Pending  int  `json:"pending"`
	More     bool `json:"more,omitempty"`
	InFlight int  `json:"in_flight"`
	// Oldest is the release of the oldest pending entry, Unix ms on the engine's clock; 0: none.
	Oldest    int64  `json:"oldest,omitempty"`
	Attempts  uint64 `json:"attempts"`
	Delivered uint64 `json:"delivered"`
	Dead      uint64 `json:"dead"`
	Expired   uint64 `json:"expired"`
	LastError string `json:"last_error,omitempty"`
}

// Status returns the destinations by name.
func (d *Dispatcher) Status() []EndpointStatus {
	d.mu.Lock()
	ts := make([]*destination, 0, len(d.to))
	for _, t := range d.to {
		ts = append(ts, t)
	}
	d.mu.Unlock()
	out := make([]EndpointStatus, 0, len(ts))
	for _, t := range ts {
		out = append(out, t.status())
	}
	slices.SortFunc(out, func(a, b EndpointStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Enable sends to an endpoint again that had answered 410. It reports whether it was disabled.
func (d *Dispatcher) Enable(name string) bool {
	d.mu.Lock()
	t := d.to[name]
	d.mu.Unlock()
	return t != nil && t.enable()
}
