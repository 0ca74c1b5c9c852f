package state

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/milepost-io/milepost/state/log"
)

// housekeep does what is due by time: ticks, and the next write-back.
func (r *run) housekeep() error {
	if err := r.tick(); err != nil {
		return err
	}
	r.expire()
	return r.writeBack()
}

// writeBack begins a write-back when it is time and hands a complete batch on.
func (r *run) writeBack() error {
	if r.batch != nil {
		return r.drainBatch(0)
	}
	if r.commits.busy || r.flushes.busy || r.m.Position() == r.marked {
		return nil
	}
	if time.Since(r.markedAt) < r.interval && !r.pressed() {
		return nil
	}
	return r.mark()
}

// pressed reports whether dirty documents take more memory than they should: only clean ones can go.
func (r *run) pressed() bool {
	dirty := r.m.DirtyBytes()
	return dirty > maxDirty || r.opt.Memory > 0 && dirty > r.opt.Memory/4
}

func (r *run) mark() error {
	dirty := r.m.DirtyBytes()
	b := r.opt.Store.newBatch(dirty + dirty/8 + 4096)
	pos, err := r.m.Mark(b)
	if err != nil {
		return r.wrap("write-back", err)
	}
	r.batch, r.marked, r.markedAt = &b, pos, time.Now()
	r.ends = append(r.ends[:0], r.emitted...)
	return nil
}

// drainBatch encodes up to n entries and, when the batch is complete, has it committed.
func (r *run) drainBatch(n int) error {
	done, err := r.m.Drain(n)
	if err != nil {
		return r.wrap("write-back", err)
	}
	if done {
		r.commits.ask(commit{*r.batch, r.marked, slices.Clone(r.ends)})
		r.batch = nil
	}
	return nil
}

// commit gives a batch to Pebble once the log holds its position and everything emitted up to it (E3):
// Pebble flushes when it likes, and a state on disk must never be ahead of the log.
func (s *Shard) commit(ctx context.Context, c commit) error {
	if err := s.opt.Log.WaitDurable(ctx, s.part, c.pos); err != nil {
		return err
	}
	for shard, end := range c.ends {
		p := log.Partition{Stream: log.Notices, Shard: uint16(shard)}
		if err := s.opt.Log.WaitDurable(ctx, p, end); err != nil {
			return err
		}
	}
	return s.opt.Store.commit(c.batch)
}

// committed starts the flush of a batch that was committed.
func (r *run) committed(err error) error {
	r.commits.busy = false
	if err != nil {
		return r.wrap("write-back", err)
	}
	r.m.Committed()
	r.flushes.ask(r.marked)
	return nil
}

// flush puts everything committed on disk, which is up to pos, and tells the guard when that is beyond
// the replay.
func (r *run) flush(ctx context.Context, pos log.Offset) error {
	if err := r.opt.Store.flush(ctx); err != nil {
		return err
	}
	if g := r.opt.Guard; g != nil && pos > r.startAt {
		return g.through(r.part, pos)
	}
	return nil
}

// flushedTo lets go of the log below the position whose flush, begun after its commit, has ended (E4).
func (r *run) flushedTo(err error) error {
	r.flushes.busy = false
	if err != nil {
		return r.wrap("write-back", err)
	}
	r.flushed.Store(int64(r.marked))
	if r.marked > r.startAt {
		r.interval = r.opt.Interval
	}
	r.opt.Log.Trim(r.part, r.marked)
	return nil
}

// finish writes back everything and flushes it.
func (r *run) finish() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	for {
		if r.batch != nil {
			if err := r.drainBatch(idleDrain); err != nil {
				return err
			}
			continue
		}
		if !r.commits.busy && !r.flushes.busy {
			if r.m.Position() == r.marked {
				return nil
			}
			if err := r.mark(); err != nil {
				return err
			}
			continue
		}
		if err := r.wait(ctx, nil, false); err != nil {
			return err
		}
		if ctx.Err() != nil {
			r.opt.Store.health.abandon() // a worker may wait for it
			return r.wrap("stop", fmt.Errorf("write-back of record %d not finished within %v: the next start replays from %d",
				r.marked, stopWithin, r.Flushed()))
		}
	}
}

// tick appends a tick record when the shard's clock should move and nothing else moves it (E9), or when
// the last record left timers overdue (E11).
func (r *run) tick() error {
	if !r.isLive || r.tickAt >= r.m.Position() {
		return nil
	}
	now := time.Now()
	if !r.m.Overdue() && !(r.opt.Stage == log.Events && r.clockWanted(now)) {
		return nil
	}
	r.lastTick = now
	off, err := r.opt.Log.Append(r.part, []log.Record{{Kind: log.Tick, Arrival: r.opt.Now()}}, log.Ack{})
	r.tickAt = off
	return r.wrap("append tick", err)
}

func (r *run) clockWanted(now time.Time) bool {
	idle := now.Sub(r.lastRead)
	if now.Sub(r.lastTick) < r.opt.TickEvery || idle < r.opt.TickEvery {
		return false
	}
	if idle >= r.opt.IdleTickEvery || now.Sub(r.lastTick) >= r.opt.IdleTickEvery {
		return true
	}
	due, ok := r.m.NextDue()
	return ok && due <= r.opt.Now() || r.opt.Hurry != nil && r.opt.Hurry()
}
