package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/gate"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
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

// erasing is the work of one set of erasures.
type erasing struct {
	core              *Core
	vehicles, parties map[string]erasure.Job
	// told are the vehicles that were told to forget a party, by party; sends what a step has appended.
	told    map[string]map[string]bool
	records int
}

func newErasing(c *Core, jobs []erasure.Job) *erasing {
	w := &erasing{core: c, vehicles: map[string]erasure.Job{}, parties: map[string]erasure.Job{}, told: map[string]map[string]bool{}}
	for _, j := range jobs {
		if j.Kind == erasure.Vehicle {
			w.vehicles[j.ID] = j
		} else {
			w.parties[j.ID] = j
		}
	}
	return w
}

// apply waits until the erase events, and the notices they made, are applied and on disk.
func (w *erasing) apply(ctx context.Context) error {
	c := w.core
	for id, j := range w.vehicles {
		if err := c.of(log.Events, []byte(id)).WaitFlushed(ctx, log.Offset(j.Off)+1); err != nil {
			return err
		}
	}
	for id, j := range w.parties {
		if err := c.of(log.Notices, []byte(id)).WaitFlushed(ctx, log.Offset(j.Off)+1); err != nil {
			return err
		}
	}
	return c.flushAll(ctx, log.Notices)
}

// flushAll waits until the shards of a stream have applied and flushed what their partitions hold now.
func (c *Core) flushAll(ctx context.Context, stream log.Stream) error {
	for _, s := range c.shards {
		if s.part.Stream != stream {
			continue
		}
		_, next := c.journal.Range(s.part)
		if err := s.WaitFlushed(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// forget has the dispatcher and the read model forget.
func (w *erasing) forget(context.Context) error {
	until := func(vin, party string) (int64, bool) {
		j, ok := w.vehicles[vin]
		p, ok2 := w.parties[party]
		return max(j.At, p.At), ok || ok2
	}
	w.core.disp.Forget(func(x *notify.Entry) bool {
		at, ok := until(x.VIN, x.Party)
		return ok && x.Created <= at
	})
	w.core.read.Forget(until)
	return nil
}

// sweep has the shards forget what the erase events did not reach: former owners of a vehicle, rows in other
// shards, vehicles that name a party.
func (w *erasing) sweep(ctx context.Context) error {
	c := w.core
	for _, s := range c.shards {
		var err error
		if s.part.Stream == log.Events {
			err = w.tellVehicles(ctx, s)
		} else {
			err = w.sweepNotices(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(c.flushAll(ctx, log.Events)); err != nil {
		return err
	}
	if err := c.flushAll(ctx, log.Notices); err != nil {
		return err
	}
	for id := range w.parties { // the mark goes: no vehicle names it any more
		s := c.of(log.Notices, []byte(id))
		if err := w.append(s, id, &notify.Result{Result: notify.Erased}); err != nil {
			return err
		}
	}
	return c.flushAll(ctx, log.Notices)
}

// append appends a record of the erasure about a party's document to a notify shard.
func (w *erasing) append(s *shard, party string, r *notify.Result) error {
	payload, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.core.intake.append(s.part, &log.Record{Kind: log.Result, Key: []byte(party), Payload: payload}, log.Ack{})
	return err
}

// sweepNotices finds who in a notify shard remembers an erased vehicle, and in whose stories an erased party
// stands, and has it forget.
func (w *erasing) sweepNotices(ctx context.Context, s *shard) error {
	type about struct{ party, vin string }
	var found []about
	err := s.store.Documents(func(key, sub, body []byte) bool {
		vin := string(sub)
		if vin == "" {
			vin = notify.ContactVIN(body)
		}
		if _, ok := w.vehicles[vin]; ok {
			found = append(found, about{string(key), vin})
		}
		return ctx.Err() == nil
	})
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	for vin := range w.vehicles { // the rows, in every shard
		found = append(found, about{"v:" + vin, vin})
	}
	slices.SortFunc(found, func(a, b about) int { return slices.Compare([]string{a.vin, a.party}, []string{b.vin, b.party}) })
	for _, f := range found {
		if err := w.append(s, f.party, &notify.Result{VIN: f.vin, Result: notify.Erased, At: w.vehicles[f.vin].At}); err != nil {
			return err
		}
	}
	if len(w.parties) == 0 {
		return nil
	}
	stories := map[about]bool{}
	err = s.store.Rows(state.RowTimeline, func(key, value []byte) bool {
		var e notify.TimelineEntry
		if vin, _, ok := cutZero(key); ok && json.Unmarshal(value, &e) == nil {
			if _, ok := w.parties[e.Party]; ok {
				stories[about{e.Party, vin}] = true
			}
		}
		return ctx.Err() == nil
	})
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	for a := range stories {
		if err := w.append(s, a.party, &notify.Result{VIN: a.vin, Of: a.party, Result: notify.Erased, At: w.parties[a.party].At}); err != nil {
			return err
		}
	}
	return nil
}

func cutZero(key []byte) (before, after string, ok bool) {
	i := slices.Index(key, 0)
	if i < 0 {
		return "", "", false
	}
	return string(key[:i]), string(key[i+1:]), true
}

// tellVehicles finds the vehicles of a shard whose profile or story names an erased party, and has them
// forget it.
func (w *erasing) tellVehicles(ctx context.Context, s *shard) error {
	if len(w.parties) == 0 {
		return nil
	}
	tell := map[string]map[string]bool{} // party, vehicle
	note := func(vin string, owner string) {
		if _, ok := w.parties[owner]; ok {
			if tell[owner] == nil {
				tell[owner] = map[string]bool{}
			}
			tell[owner][vin] = true
		}
	}
	err := s.store.Documents(func(key, sub, body []byte) bool {
		if string(sub) == "profile" {
			note(string(key), ownerIn(body))
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = s.store.Rows(state.RowTimeline, func(key, value []byte) bool {
			var e rules.TimelineEntry
			if vin, _, ok := cutZero(key); ok && json.Unmarshal(value, &e) == nil && e.Kind == "profile" {
				note(vin, ownerIn(e.Profile))
			}
			return ctx.Err() == nil
		})
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	for party, vins := range tell {
		for vin := range vins {
			rec := rules.Decision{ForgetParty: party, Before: w.parties[party].At}.Record(vin)
			if _, err := w.core.intake.append(s.part, &rec, log.Ack{}); err != nil {
				return err
			}
			if w.told[party] == nil {
				w.told[party] = map[string]bool{}
			}
			w.told[party][vin] = true
		}
	}
	return nil
}

// ownerIn is the owner that a profile, or a patch of one, names.
func ownerIn(profile []byte) string {
	var p struct {
		Owner string `json:"owner"`
	}
	_ = json.Unmarshal(profile, &p) // another form names nobody
	return p.Owner
}

// purge makes what the shards have deleted leave the files of their stores.
func (w *erasing) purge(ctx context.Context) error {
	for _, s := range w.core.shards {
		keys := w.keysOf(s)
		if s.part.Stream == log.Events && len(keys) == 0 {
			continue
		}
		err := s.DropTimers(ctx, func(key, sub []byte) bool {
			_, vehicle := w.vehicles[string(key)]
			_, ofVehicle := w.vehicles[string(sub)]
			_, party := w.parties[string(key)]
			return vehicle || ofVehicle || party
		})
		if err != nil {
			return err
		}
		// Whatever is applied next has the deletions written back.
		off, err := w.core.intake.append(s.part, &log.Record{Kind: log.Tick}, log.Ack{})
		if err == nil {
			err = s.WaitFlushed(ctx, off+1)
		}
		if err == nil && s.part.Stream == log.Events {
			err = s.store.Purge(ctx, state.KeySpans(keys))
		} else if err == nil {
			err = s.store.Purge(ctx, state.AllSpans())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keysOf are the vehicles of a rules shard that were erased or told to forget somebody.
func (w *erasing) keysOf(s *shard) (keys [][]byte) {
	if s.part.Stream != log.Events {
		return nil
	}
	take := func(vin string) {
		if w.core.of(log.Events, []byte(vin)) == s {
			keys = append(keys, []byte(vin))
		}
	}
	for vin := range w.vehicles {
		take(vin)
	}
	for _, vins := range w.told {
		for vin := range vins {
			take(vin)
		}
	}
	slices.SortFunc(keys, slices.Compare)
	return slices.CompactFunc(keys, slices.Equal)
}

// blank takes the ids out of the journal.
func (w *erasing) blank(ctx context.Context, progress func(done, of int)) error {
	c := w.core
	b := &blanker{
		vehicles: w.vehicles, parties: w.parties, shards: c.journal.Shards(log.Events),
		own: map[string]map[string]bool{}, ends: map[log.Partition]log.Offset{}, owners: map[string]*rules.OwnerHistory{},
	}
	for party, vins := range w.told {
		for vin := range vins {
			if b.own[vin] == nil {
				b.own[vin] = map[string]bool{}
			}
			b.own[vin][party] = true
		}
	}
	for _, p := range c.parts() {
		_, b.ends[p] = c.journal.Range(p)
	}
	if err := c.journal.Roll(ctx); err != nil {
		return err
	}
	n, err := c.journal.Rewrite(ctx, b.edit, progress)
	w.records += n
	return err
}
