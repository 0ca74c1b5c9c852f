package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
)

// erasing is the work of one set of erasures.
type erasing struct {
	core              *Core
	vehicles, parties map[string]erasure.Job
	// told are the vehicles that were told to forget a party, by party; records is how many records of the log
	// were blanked.
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
		if err == nil {
			err = w.sweepDead(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	if err := c.flushAll(ctx, log.Events); err != nil {
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

// sweepDead drops the quarantined inputs of a shard that name an erased id under the key of another, or none.
func (w *erasing) sweepDead(ctx context.Context, s *shard) error {
	var keys []string
	err := s.store.Rows(state.RowDead, func(key, value []byte) bool {
		if !strings.HasPrefix(string(key), notify.DeadPrefix) { // else a message that could not be delivered
			if l, err := state.DecodeDeadLetter(value); err == nil && w.named(&l) {
				keys = append(keys, string(key))
			}
		}
		return ctx.Err() == nil
	})
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	for _, key := range keys {
		rec := dropRecord(key)
		if _, err := w.core.intake.append(s.part, &rec, log.Ack{}); err != nil {
			return err
		}
	}
	return nil
}

// named reports whether a quarantined input names an id that was erased since.
func (w *erasing) named(l *state.DeadLetter) bool {
	for _, jobs := range []map[string]erasure.Job{w.vehicles, w.parties} {
		for id, j := range jobs {
			if l.Time <= j.At && l.Names(id) {
				return true
			}
		}
	}
	return false
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
