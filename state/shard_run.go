package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/milepost-io/milepost/state/log"
)

const (
	// batchRecords is how many records are read, and their missing documents fetched, at once.
	batchRecords = 1024
	// idleDrain is how many entries of a write-back are encoded at once while there are no records.
	idleDrain = 256
	// maxAhead is how far a record may be ahead of the wall clock, in ms (E9).
	maxAhead = 5 * 60 * 1000
	// stopWithin bounds the last write-back at a clean stop.
	stopWithin = 5 * time.Second
	// minInterval is the shortest time between write-backs after starts that did not come through.
	minInterval = 100 * time.Millisecond
	// maxDirty bounds what a write-back may hold before its interval is over, in bytes.
	maxDirty = 64 << 20
)

// run is what one Run of a Shard needs besides the Shard.
type run struct {
	*Shard
	reader   log.Reader
	records  worker[struct{}, readResult]
	durable  worker[log.Offset, error]
	commits  worker[commit, error]
	flushes  worker[log.Offset, error]
	expiries worker[expiry, expired]

	startAt  log.Offset // of our own start record
	isLive   bool
	tickAt   log.Offset // of our last tick
	lastTick time.Time
	lastRead time.Time // when there last were records
	wall     int64     // the wall clock when it was last asked; it only goes forward
	warned   bool      // about a record from the future

	emitted  []log.Offset // by receiver: the end of what was appended there
	marked   log.Offset   // position of the last write-back begun
	markedAt time.Time
	interval time.Duration // between write-backs
	ends     []log.Offset  // emitted at the mark
	batch    *storeBatch   // of the write-back under way, until it is handed to commits

	rounds     []expiring // by Retention
	round      int        // whose turn it is
	lastExpiry time.Time

	fetched []fetched // scratch of prefetch

	fed    []RowOp   // waiting for their cause to be durable
	causes []fedUpTo // how many of them go with which record
	spaces [256]bool
}

type readResult struct {
	off  log.Offset
	recs []log.Record
	err  error
}

// commit is a complete batch and what must be durable before Pebble may have it (E3).
type commit struct {
	batch storeBatch
	pos   log.Offset
	ends  []log.Offset
}

// Run applies records until the context ends or something fails. At the end of the context it writes back
// what it holds, within 5 s, so that the next Run has nothing to replay.
func (s *Shard) Run(ctx context.Context) (err error) {
	defer close(s.done)
	r := &run{Shard: s, emitted: make([]log.Offset, len(s.m.out)), marked: s.m.Position(), tickAt: -1}
	for _, sp := range s.opt.FeedSpaces {
		r.spaces[sp] = true
	}
	r.lastTick, r.lastRead, r.markedAt = time.Now(), time.Now(), time.Now()
	r.guardReplay()
	if r.reader, err = s.opt.Log.Read(s.part, s.m.Position()); err != nil {
		return s.wrap("read", err)
	}
	r.rounds = make([]expiring, len(s.opt.Retention))
	stop := r.startWorkers(ctx)
	err = r.start()
	for err == nil && ctx.Err() == nil {
		err = r.turn(ctx)
	}
	if err == nil {
		err = r.finish()
	}
	stop()
	return errors.Join(err, r.reader.Close())
}

// guardReplay has the calls of the replay marked when earlier starts did not come through theirs, and
// writes back the more often the more they were: however short a life, the next one begins further on.
func (r *run) guardReplay() {
	r.interval = r.opt.Interval
	if r.opt.Guard == nil {
		return
	}
	starts := r.opt.Guard.join(r.part)
	if starts >= markFrom {
		r.interval = min(r.interval, max(minInterval, r.interval>>min(starts-1, 16)))
	}
	if r.opt.Guard.marks() {
		r.m.guard = r.opt.Guard
	}
	for _, c := range r.opt.Guard.Condemned(r.part) {
		r.opt.Logger.Error("a step ended the process again and again: it is left out and quarantined",
			"stage", r.opt.Stage.String(), "shard", r.opt.Shard, "record", c.Record, "call", c.N)
	}
}

func (s *Shard) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("state: %s shard %d: %s: %w", s.opt.Stage, s.opt.Shard, what, err)
}

// startWorkers starts the goroutines that wait for others: the log's next records, its durability, the
// store. stop ends and waits for them.
func (r *run) startWorkers(ctx context.Context) (stop func()) {
	reading, cancelRead := context.WithCancel(ctx)
	// Write-backs outlive the caller's context, for the last one.
	saving, cancelSave := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	r.records.start(&wg, func(struct{}) readResult {
		off, recs, err := r.reader.Read(reading, batchRecords)
		return readResult{off, recs, err}
	})
	r.durable.start(&wg, func(end log.Offset) error { return r.opt.Log.WaitDurable(saving, r.part, end) })
	r.commits.start(&wg, func(c commit) error { return r.commit(saving, c) })
	r.flushes.start(&wg, func(pos log.Offset) error { return r.flush(saving, pos) })
	r.expiries.start(&wg, r.opt.Store.expire)
	return func() {
		cancelRead()
		cancelSave()
		r.records.stop()
		r.durable.stop()
		r.commits.stop()
		r.flushes.stop()
		r.expiries.stop()
		wg.Wait()
	}
}

// start appends the start record (E13).
func (r *run) start() error {
	now := r.opt.Now()
	st := Start{Generation: r.opt.Store.Generation(), Build: r.opt.Build, Wall: now}
	if c := r.m.Clock(); c > 0 {
		st.Gap = max(0, now-c)
	}
	off, err := r.opt.Log.Append(r.part, []log.Record{{Kind: log.Start, Arrival: now, Payload: st.Encode()}}, log.Ack{})
	r.startAt = off
	return r.wrap("append start record", err)
}

// turn does what there is to do, or waits until there is something.
func (r *run) turn(ctx context.Context) error {
	if !r.records.busy {
		off, recs, err := r.reader.Poll(batchRecords)
		if err != nil {
			return r.wrap("read", err)
		}
		if len(recs) > 0 {
			return r.consume(ctx, off, recs)
		}
	}
	if err := r.housekeep(); err != nil {
		return err
	}
	if r.batch != nil { // a write-back to be encoded: do not wait
		return r.drainBatch(idleDrain)
	}
	if !r.records.busy {
		r.records.ask(struct{}{})
	}
	timer := time.NewTimer(min(r.opt.TickEvery, r.opt.Interval))
	defer timer.Stop()
	return r.wait(ctx, timer.C, true)
}

// wait handles one thing that happens. Records only when asked to: while a record from the future is
// held, they are left.
func (r *run) wait(ctx context.Context, timer <-chan time.Time, records bool) error {
	var read <-chan readResult
	if records {
		read = r.records.out
	}
	select {
	case res := <-read:
		r.records.busy = false
		if res.err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // told to stop
			}
			return r.wrap("read", res.err)
		}
		return r.consume(ctx, res.off, res.recs)
	case q := <-r.mailbox:
		r.answer(q)
	case err := <-r.durable.out:
		return r.durableTo(err)
	case err := <-r.commits.out:
		return r.committed(err)
	case err := <-r.flushes.out:
		return r.flushedTo(err)
	case e := <-r.expiries.out:
		return r.expired(e)
	case <-r.opt.Log.Failed():
		return r.wrap("log", r.opt.Log.Err())
	case <-r.opt.Store.Failed():
		return r.opt.Store.Err()
	case <-timer:
	case <-ctx.Done():
	}
	return nil
}

// heed handles what the workers have to say by now: while there are always records nobody waits, and
// write-backs must go on all the same.
func (r *run) heed() error {
	for {
		var err error
		select {
		case e := <-r.durable.out:
			err = r.durableTo(e)
		case e := <-r.commits.out:
			err = r.committed(e)
		case e := <-r.flushes.out:
			err = r.flushedTo(e)
		case e := <-r.expiries.out:
			err = r.expired(e)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *run) durableTo(err error) error {
	r.durable.busy = false
	if err != nil {
		return r.wrap("wait for the log", err)
	}
	r.feed()
	return nil
}

func (r *run) answer(q query) {
	defer close(q.done)
	q.fn(View{r.m})
}

// consume applies a batch of records.
func (r *run) consume(ctx context.Context, off log.Offset, recs []log.Record) error {
	r.lastRead = time.Now()
	if err := r.prefetch(recs); err != nil {
		return r.wrap("read documents", err)
	}
	for i := range recs {
		if i%warmRecords == 0 {
			r.m.warm(recs[i:min(i+warmRecords, len(recs))])
		}
		if err := r.holdFuture(ctx, &recs[i]); err != nil || ctx.Err() != nil {
			return err
		}
		if err := r.apply(ctx, off+log.Offset(i), &recs[i]); err != nil {
			return err
		}
		select {
		case q := <-r.mailbox:
			r.answer(q)
		default:
		}
	}
	r.applied.set(r.m.Position())
	r.feed()
	if err := r.heed(); err != nil {
		return err
	}
	return r.housekeep()
}

// apply applies a record and appends what it handed over, in order.
func (r *run) apply(ctx context.Context, off log.Offset, rec *log.Record) error {
	if err := r.m.Apply(off, rec); err != nil {
		return err
	}
	for _, o := range r.m.Outbound() {
		p := log.Partition{Stream: log.Notices, Shard: o.Shard}
		at, err := r.opt.Log.Append(p, []log.Record{o.Record}, log.Ack{})
		if err != nil {
			return r.wrap(fmt.Sprintf("hand over record %d", off), err)
		}
		r.emitted[o.Shard] = at + 1
	}
	if r.isLive {
		r.queueFeed(off)
	} else if off == r.startAt {
		return r.goLive(ctx)
	}
	return nil
}

// holdFuture waits while a record is too far ahead of the wall clock (E9). Everything else goes on.
func (r *run) holdFuture(ctx context.Context, rec *log.Record) error {
	for rec.Arrival > r.wall+maxAhead && ctx.Err() == nil {
		if r.wall = r.opt.Now(); rec.Arrival <= r.wall+maxAhead {
			break
		}
		if !r.warned {
			r.warned = true
			r.opt.Logger.Warn("record is stamped ahead of this machine's clock: waiting for it",
				"stage", r.opt.Stage.String(), "shard", r.opt.Shard, "arrival", rec.Arrival, "now", r.wall)
		}
		timer := time.NewTimer(time.Second)
		err := r.wait(ctx, timer.C, false)
		timer.Stop()
		if err != nil {
			return err
		}
		if err := r.writeBack(); err != nil {
			return err
		}
		if r.batch != nil {
			if err := r.drainBatch(idleDrain); err != nil {
				return err
			}
		}
	}
	r.warned = false
	return nil
}
