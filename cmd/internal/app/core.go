package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// CoreOptions are what a Core is made of.
type CoreOptions struct {
	// Data is the data folder on FS; FS nil is the machine's.
	Data string
	FS   state.FS
	// Shards of each stage, fixed when the folder is made.
	Shards journal.Shards
	// Keep and MaxBytes are the journal's retention.
	Keep     time.Duration
	MaxBytes int64
	// KeepTimeline and KeepDead are how long timelines and dead letters are kept; 0: for ever.
	KeepTimeline, KeepDead time.Duration
	// Memory bounds the documents of all shards, in bytes; 0: without bound. Cache is one store's memory
	// for blocks and memtables; 0: 32 MiB.
	Memory, Cache int64
	// WriteBack is the time between write-backs; 0: 5 s.
	WriteBack time.Duration
	// Tick and IdleTick are TickEvery and IdleTickEvery of state.ShardOptions.
	Tick, IdleTick time.Duration
	Build          string
	// Clock makes the clock, which must not stand below floor (Unix ms); nil: WallClock.
	Clock func(floor int64) *Clock
	// Reserve is the free space of the data folder's file system below which intake stops, in bytes; 0: the
	// smaller of 5 % of it and 1 GiB. DiskEvery is how often it is looked at; 0: 1 s.
	Reserve   int64
	DiskEvery time.Duration
	// Dispatcher holds the channels and the patience of the dispatcher; the Core sets the rest.
	Dispatcher notify.DispatcherOptions
	Logger     zerolog.Logger
}

// Core is the engine without its ways in and out of the process: log, shards, dispatcher, clock and the
// rule set in force. The simulation runs it as it is, on a file system that crashes.
type Core struct {
	opt     CoreOptions
	log     zerolog.Logger
	clock   *Clock
	journal *journal.Journal
	shards  []*shard // events first, then notices
	intake  *intake
	erased  *erasure.List
	eraser  *eraser
	read    *notify.ReadModel
	rules   activation
	disp    *notify.Dispatcher
	holds   *holds
	fs      state.FS // as it is: disk waits for room on it, what an operator asks for fails

	restored *Restored // nil: it was not
	disk     *disk
	closers  []func() error
	ready    atomic.Bool
	dead     atomic.Int64 // dead letters
}

// OpenCore opens a data folder, made if need be. The Core is to be Closed, whether it was Run or not.
func OpenCore(o CoreOptions) (*Core, error) {
	c := newCore(o.Logger)
	if err := c.openCore(o); err != nil {
		return nil, errors.Join(advise(o.Data, err), c.Close())
	}
	return c, nil
}

func newCore(l zerolog.Logger) *Core { return &Core{log: l, read: notify.NewReadModel()} }

// openCore opens all that a Core is made of. What was opened before an error is for Close.
func (c *Core) openCore(o CoreOptions) error {
	if c.fs = o.FS; c.fs == nil {
		c.fs = state.MachineFS()
	}
	c.disk = newDisk(o, c.log)
	o.FS = c.disk.fs
	c.opt = o
	if err := c.readMarks(); err != nil {
		return err
	}
	j, err := journal.Open(journal.Options{
		FS: o.FS, Dir: JournalDir(o.Data), Shards: o.Shards, Keep: o.Keep, MaxBytes: o.MaxBytes, Logger: c.log,
		Now: func() time.Time { return c.clock.Time() },
	})
	if err != nil {
		return err
	}
	c.journal = j
	c.closers = append(c.closers, j.Close)
	floor, err := lastArrival(j)
	if err != nil {
		return err
	}
	c.warnClock(floor)
	if o.Clock != nil {
		c.clock = o.Clock(floor)
	} else {
		c.clock = WallClock(time.Now, floor)
	}
	c.intake = newIntake(j, c.clock)
	c.disk.intake, c.disk.journal, c.intake.short = c.intake, j, c.disk.short
	if err := c.openErasure(); err != nil {
		return err
	}
	if err := c.openShards(); err != nil {
		return err
	}
	return c.openDispatcher()
}

func (c *Core) openDispatcher() error {
	o := c.opt.Dispatcher
	for _, s := range c.shards {
		o.Generation = max(o.Generation, s.store.Generation())
	}
	o.Results, o.Scan, o.Clock, o.Log = appendResult{c.intake}, c.scanOutbox, c.clock.Now, c.log
	d, err := notify.NewDispatcher(o)
	if err != nil {
		return err
	}
	c.disp, c.disk.sender = d, d
	return c.openHeld()
}

// Life is what the owner of a Core adds to its run. Nil members add nothing.
type Life struct {
	// Beside runs from before the replay until the shards have stopped.
	Beside []Task
	// Begin is called when the state has caught up with the log; it puts a rule set in force.
	Begin func(context.Context) error
	// Serve runs from then on: the ways in. It stops before everything else.
	Serve []Task
	// Ready is called when Serve has been started, Ending when the run begins to stop.
	Ready, Ending func()
}

// Task is something that runs until its context ends.
type Task struct {
	Name string
	Run  func(context.Context) error
}

// Run brings the state up to the log, serves until ctx ends and stops cleanly: the ways in first, so that
// nothing new comes, then the dispatcher, whose results still go into the log, then the shards, which
// write back. The first task that fails, or ends by itself, ends all. A Core is run once.
func (c *Core) Run(ctx context.Context, l Life) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	c.disk.begin()
	var parts []*part // as started
	start := func(ts ...Task) {
		for _, t := range ts {
			parts = append(parts, start(fail, t))
		}
	}
	start(l.Beside...)
	start(Task{"watch", c.watchLog}, Task{"disk", c.disk.run}, Task{"shards", c.runShards})
	err := c.begin(ctx, l.Begin)
	if err == nil {
		start(Task{"dispatcher", c.dispatch}, Task{"eraser", c.eraser.run})
		start(l.Serve...)
		c.ready.Store(true)
		if l.Ready != nil {
			l.Ready()
		}
		<-ctx.Done()
	}
	c.ready.Store(false)
	if l.Ending != nil {
		l.Ending()
	}
	close(c.intake.done)
	c.disk.end()
	c.log.Info().Msg("stopping: sources, dispatcher, shards, log")
	for i := len(parts) - 1; i >= 0; i-- {
		err = errors.Join(err, parts[i].stop())
	}
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return advise(c.opt.Data, err)
}

// begin brings the vehicles up to the log: replay, own starts applied, the rule set of the owner in force
// (E10). Then records may come in; what may leave is for dispatch to say. A backlog of notices, after a bulk
// load, must not keep the cars waiting.
func (c *Core) begin(ctx context.Context, begin func(context.Context) error) error {
	if err := c.waitLive(ctx, log.Events); err != nil {
		return err
	}
	if begin != nil {
		if err := begin(ctx); err != nil {
			return err
		}
	}
	if err := c.eraseRestored(ctx); err != nil {
		return err
	}
	close(c.intake.open)
	return nil
}

// dispatch sends what is to be sent, once every shard has applied its own start and the notices made up to
// the rules shards' starts have been applied (E13): before that, what looks unsent may be delivered, and
// what looks due serviced.
func (c *Core) dispatch(ctx context.Context) error {
	err := c.waitLive(ctx, log.Notices)
	if err == nil {
		err = c.waitApplied(ctx, log.Notices)
	}
	if err == nil {
		err = c.alignNotices(ctx)
	}
	if err != nil {
		return err
	}
	return c.disp.Run(ctx)
}

// Close releases the folder.
func (c *Core) Close() error {
	var err error
	for i := len(c.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, c.closers[i]())
	}
	return err
}

// Sink is the door for records from outside.
func (c *Core) Sink() ingest.Sink { return c.intake }

// watchLog ends the engine when the log has failed: nothing may be acknowledged any more (E4).
func (c *Core) watchLog(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-c.journal.Failed():
		return c.journal.Err()
	}
}

// lastArrival is the newest arrival among the last records of all partitions, 0 without any.
func lastArrival(l log.Log) (int64, error) {
	var newest int64
	for _, s := range []log.Stream{log.Events, log.Notices} {
		for i := range l.Shards(s) {
			p := log.Partition{Stream: s, Shard: uint16(i)}
			first, next := l.Range(p)
			if next <= first {
				continue
			}
			r, err := l.Read(p, next-1)
			if err != nil {
				return 0, err
			}
			_, recs, err := r.Poll(1)
			for i := range recs {
				newest = max(newest, recs[i].Arrival)
			}
			if err := errors.Join(err, r.Close()); err != nil {
				return 0, err
			}
		}
	}
	return newest, nil
}

// The parts of a data folder.
const (
	journalDir = "journal"
	stateDir   = "state"
	runFile    = "engine.json"
)

// WaitApplied returns when everything that is in the log now, and the notices that come of it, is applied.
func (c *Core) WaitApplied(ctx context.Context) error {
	if err := c.waitApplied(ctx, log.Events); err != nil {
		return err
	}
	return c.waitApplied(ctx, log.Notices)
}

// View calls fn with the state of one shard after the other, each between two records of it.
func (c *Core) View(ctx context.Context, fn func(log.Partition, state.View) error) error {
	for _, s := range c.shards {
		if err := c.view(ctx, s, func(v state.View) error { return fn(s.part, v) }); err != nil {
			return err
		}
	}
	return nil
}

// Received is the number of events in the log (E5).
func (c *Core) Received() uint64 { return c.journal.Received() }
