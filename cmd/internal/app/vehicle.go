package app

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// Vehicle implements Admin.
func (e *Engine) Vehicle(ctx context.Context, vin string) (view *rules.VehicleView, err error) {
	now := e.rules.inForce()
	a, prog := now.Activation, now.program
	if prog == nil {
		return nil, errReplaying
	}
	err = e.view(ctx, e.of(log.Events, []byte(vin)), func(v state.View) error {
		var err error
		view, err = showVehicle(v, vin, e.clock.Now(), a, prog)
		return err
	})
	return view, err
}

// showVehicle builds the view of a vehicle from a shard's documents.
func showVehicle(v state.View, vin string, now int64, a rules.Activation, prog *rules.Program) (*rules.VehicleView, error) {
	var bad error
	view, ok, err := rules.ShowVehicle(vin, now, a, prog, func(sub string) []byte {
		b, err := v.Document([]byte(vin), []byte(sub))
		if err != nil {
			bad = err
		}
		return b
	})
	switch {
	case bad != nil:
		return nil, bad
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("vehicle %q: %w", vin, ErrUnknown)
	}
	return view, nil
}

// SetOdometer implements Admin: the decision is a record, so that a replay decides it too.
func (e *Engine) SetOdometer(ctx context.Context, vin string, km float64) error {
	if _, err := e.Vehicle(ctx, vin); err != nil {
		return err
	}
	rec, err := odometerRecord(vin, km, e.rules.inForce().program)
	if err != nil {
		return err
	}
	return e.appendAll(ctx, e.of(log.Events, []byte(vin)).part, rec)
}

func odometerRecord(vin string, km float64, prog *rules.Program) (log.Record, error) {
	d := rules.Decision{OdometerKM: km}
	if err := d.Check(prog); err != nil {
		return log.Record{}, fmt.Errorf("vehicle %q: %w: %w", vin, ErrInvalid, err)
	}
	return d.Record(vin), nil
}

// Signal is an entry of the signal catalogue as people are shown it.
type Signal struct {
	Name  string            `json:"name"`
	Label map[string]string `json:"label,omitempty"`
	Unit  string            `json:"unit,omitempty"`
}

// Signals is the catalogue of the rules in force, in its order.
func (e *Engine) Signals() []Signal {
	prog := e.rules.inForce().program
	out := []Signal{}
	if prog == nil { // not ready yet
		return out
	}
	c := prog.Catalogue()
	for i := range c.Len() {
		s := c.Signal(i)
		out = append(out, Signal{Name: s.Name, Label: s.Label, Unit: s.Unit})
	}
	return out
}

// Timeline implements Admin: what the rules stage wrote about the vehicle, and what the notify stage did.
func (e *Engine) Timeline(ctx context.Context, vin, lang string, limit int) ([]TimelineEntry, error) {
	tell := newStory(lang, e.rules.inForce().program)
	var out []TimelineEntry
	for _, s := range e.shards {
		if s.part.Stream == log.Events && s != e.of(log.Events, []byte(vin)) {
			continue
		}
		err := e.view(ctx, s, func(v state.View) error {
			var err error
			out, err = appendTimeline(out, tell, v, s.part.Stream, vin)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return newestFirst(out, limit), nil
}

// appendTimeline reads one shard's rows about a vehicle.
func appendTimeline(out []TimelineEntry, tell *story, v state.View, stream log.Stream, vin string) ([]TimelineEntry, error) {
	err := v.Rows(state.RowTimeline, string(rules.TimelinePrefix([]byte(vin))), func(_ string, value []byte) bool {
		if e, ok := tell.entry(stream, value); ok {
			out = append(out, e)
		}
		return true
	})
	return out, err
}

func newestFirst(out []TimelineEntry, limit int) []TimelineEntry {
	sort.SliceStable(out, func(i, j int) bool { return out[i].Time > out[j].Time })
	return out[:min(limit, len(out))]
}

// Outbox implements Admin.
func (e *Engine) Outbox(ctx context.Context, limit int) ([]OutboxEntry, error) {
	out := []OutboxEntry{}
	err := e.scanOutbox(ctx, nil, func(_, value []byte) bool {
		if x, err := notify.ParseEntry(value); err == nil {
			out = append(out, outboxEntry(x))
		}
		return len(out) < limit
	})
	return out, err
}

// RequeueOutbox implements Admin: an endpoint that answered 410 is tried again.
func (e *Engine) RequeueOutbox(_ context.Context, endpoint string) (int, error) {
	for _, s := range e.disp.Status() {
		if s.Name == endpoint {
			e.disp.Enable(endpoint)
			return s.Pending, nil
		}
	}
	return 0, fmt.Errorf("destination %q: %w", endpoint, ErrUnknown)
}

func outboxEntry(x *notify.Entry) OutboxEntry {
	return OutboxEntry{Endpoint: x.Endpoint, ID: x.ID, Type: x.Type, VIN: x.VIN, Party: x.Party, Created: time.UnixMilli(x.Created).UTC()}
}
