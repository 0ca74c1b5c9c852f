package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/gate"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
)

// eraser carries erasures through (S47). The erase event has the state let go of a vehicle or party at once;
// what is left is done here, in this order, each step only when the one before is on disk:
//
//  1. the dispatcher and the read model forget it,
//  2. records have every notify shard forget it, and every vehicle a party,
//  3. stored timers that name it go, and the stores are purged of what was deleted,
//  4. the segment being written is ended, and the kept records of the journal are blanked.
//
// An erasure stands in the data folder until all of it is done (erasure.Pending): after a crash it is begun
// again, and every step may be done twice. It names the id until then and no longer.
type eraser struct {
	core    *Core
	pending *erasure.Pending
	list    *erasure.List
	wake    chan struct{}

	mu       sync.Mutex
	places   map[erasureKey]erasure.Job // that entered the log in this process
	progress map[erasure.Hash]*Erasure
	order    []erasure.Hash // of progress, oldest first
	changed  chan struct{}  // closed when progress has changed
}

type erasureKey struct {
	kind erasure.Kind
	id   string
}

// erasuresKept is how many erasures are remembered for whoever asks how they went.
const erasuresKept = 10_000

func newEraser(c *Core, list *erasure.List, pending *erasure.Pending) *eraser {
	return &eraser{
		core: c, pending: pending, list: list, wake: make(chan struct{}, 1),
		places: map[erasureKey]erasure.Job{}, progress: map[erasure.Hash]*Erasure{}, changed: make(chan struct{}),
	}
}

// began takes note of an erase event that has entered the log, at an offset of its partition.
func (e *eraser) began(j erasure.Job, off log.Offset) {
	j.Placed, j.Off = true, int64(off)
	e.mu.Lock()
	e.places[erasureKey{j.Kind, j.ID}] = j
	e.note(&j, true, func(x *Erasure) { *x = Erasure{At: time.UnixMilli(j.At).UTC(), Step: "waiting"} })
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// note changes what is told of an erasure; reset begins anew for an id that is erased again. mu is held.
func (e *eraser) note(j *erasure.Job, reset bool, change func(*Erasure)) {
	h := e.list.Hash(j.Kind, []byte(j.ID))
	x := e.progress[h]
	if x == nil {
		x = &Erasure{At: time.UnixMilli(j.At).UTC()}
		e.progress[h] = x
		if e.order = append(e.order, h); len(e.order) > erasuresKept {
			delete(e.progress, e.order[0])
			e.order = e.order[1:]
		}
	}
	if x.current(j) || reset {
		change(x)
	}
	x.Hash, x.Kind = fmt.Sprintf("%x", h), j.Kind.String()
	close(e.changed)
	e.changed = make(chan struct{})
}

// tell notes the step that jobs are at.
func (e *eraser) tell(jobs []erasure.Job, step string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range jobs {
		e.note(&jobs[i], false, func(x *Erasure) { x.Step, x.Error = step, "" })
	}
}

// current reports whether what is told is told of this job, and not of a later one about the same id.
func (x *Erasure) current(j *erasure.Job) bool { return x.At.UnixMilli() == j.At }

// run carries erasures through until told to stop. One that fails is tried again: the id stays erased for
// whatever comes in, and what is left of it is for the next attempt.
func (e *eraser) run(ctx context.Context) error {
	if err := e.core.waitLive(ctx, log.Notices); err != nil {
		return err
	}
	const least, most = time.Second, time.Minute
	for wait := least; ; {
		jobs := e.pending.All()
		err := e.work(ctx, jobs)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var retry <-chan time.Time
		switch {
		case err != nil:
			e.failed(jobs, err)
			t := time.NewTimer(wait/2 + rand.N(wait))
			defer t.Stop()
			retry, wait = t.C, min(2*wait, most)
		case len(jobs) > 0:
			wait = least
			continue // there may be more by now
		}
		select {
		case <-e.wake:
		case <-retry:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *eraser) failed(jobs []erasure.Job, err error) {
	e.core.log.Error().Err(err).Int("ids", len(jobs)).Msg("an erasure could not be finished; it is tried again")
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range jobs {
		e.note(&jobs[i], false, func(x *Erasure) { x.Error = err.Error() })
	}
}

// work carries a set of erasures through.
func (e *eraser) work(ctx context.Context, jobs []erasure.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	e.tell(jobs, "state")
	jobs, err := e.place(ctx, jobs)
	if err != nil {
		return err
	}
	w := newErasing(e.core, jobs)
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"state", w.apply}, {"memory", w.forget}, {"shards", w.sweep}, {"stores", w.purge},
		{"journal", func(ctx context.Context) error {
			return w.blank(ctx, func(done, of int) { e.tell(jobs, fmt.Sprintf("journal %d/%d", done, of)) })
		}},
	} {
		e.tell(jobs, step.name)
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	if err := e.pending.Done(jobs...); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range jobs {
		j := &jobs[i]
		e.note(j, false, func(x *Erasure) {
			x.Step, x.Error, x.Done = "done", "", true
			x.Records, x.Vehicles = w.records, len(w.told[j.ID])
		})
		h := e.list.Hash(j.Kind, []byte(j.ID))
		e.core.log.Info().Str("kind", j.Kind.String()).Hex("hash", h[:]).Msg("erased")
	}
	return nil
}

// place finds out where the erase events of jobs stand in the log. One that a crash has kept out of it is
// appended now.
func (e *eraser) place(ctx context.Context, jobs []erasure.Job) ([]erasure.Job, error) {
	missing := map[erasureKey]*erasure.Job{}
	e.mu.Lock()
	for i := range jobs {
		j := &jobs[i]
		k := erasureKey{j.Kind, j.ID}
		if r, ok := e.places[k]; ok && r.At == j.At {
			*j = r
			delete(e.places, k)
		}
		if !j.Placed {
			missing[k] = j
		}
	}
	e.mu.Unlock()
	if len(missing) > 0 {
		if err := e.core.findErasures(ctx, missing); err != nil {
			return nil, err
		}
		for _, j := range missing {
			if j.Placed {
				continue
			}
			p, rec := e.core.eraseRecord(j.Kind, j.ID)
			if _, err := e.core.intake.append(p, &rec, log.Ack{}); err != nil {
				return nil, err
			}
			e.mu.Lock()
			*j = e.places[erasureKey{j.Kind, j.ID}]
			delete(e.places, erasureKey{j.Kind, j.ID})
			e.mu.Unlock()
		}
	}
	return jobs, e.pending.Place(jobs...)
}

// findErasures looks for the erase events of jobs in the journal, the last of each.
func (c *Core) findErasures(ctx context.Context, jobs map[erasureKey]*erasure.Job) error {
	a, err := c.archive()
	if err != nil {
		return err
	}
	g := gate.New(c.erased, nil)
	for entry, err := range a.All() {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("look for erase events: %w", err)
		}
		r := &entry.Record
		if r.Kind != log.Event || r.Erased || r.Types&gate.MayErase == 0 {
			continue
		}
		kind := gate.KindOf(entry.Partition.Stream)
		if j := jobs[erasureKey{kind, string(r.Key)}]; j != nil && r.Arrival >= j.At && g.IsErase(kind, r) {
			j.Placed, j.Off = true, int64(entry.Offset)
		}
	}
	return nil
}

// eraseRecord is the erase event of an id, as an operator asks for it, and the partition it goes to.
func (c *Core) eraseRecord(kind erasure.Kind, id string) (log.Partition, log.Record) {
	return eraseRecord(kind, id, c.journal.Shards)
}
