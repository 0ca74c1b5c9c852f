package app

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// Vehicle implements Admin.
func (e *Engine) Vehicle(ctx context.Context, vin string) (view *rules.VehicleView, err error) {
	e.rules.mu.Lock()
	a, prog := e.rules.current, e.rules.program
	e.rules.mu.Unlock()
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

// Timeline implements Admin: what the rules stage wrote about the vehicle, and what the notify stage did.
func (e *Engine) Timeline(ctx context.Context, vin string, limit int) ([]TimelineEntry, error) {
	var out []TimelineEntry
	for _, s := range e.shards {
		if s.part.Stream == log.Events && s != e.of(log.Events, []byte(vin)) {
			continue
		}
		err := e.view(ctx, s, func(v state.View) error {
			var err error
			out, err = appendTimeline(out, v, s.part.Stream, vin)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return newestFirst(out, limit), nil
}

// appendTimeline reads one shard's rows about a vehicle.
func appendTimeline(out []TimelineEntry, v state.View, stream log.Stream, vin string) ([]TimelineEntry, error) {
	err := v.Rows(state.RowTimeline, string(rules.TimelinePrefix([]byte(vin))), func(_ string, value []byte) bool {
		if e, ok := timelineEntry(stream, value); ok {
			out = append(out, e)
		}
		return true
	})
	return out, err
}

func timelineEntry(stream log.Stream, value []byte) (TimelineEntry, bool) {
	out := TimelineEntry{Entry: append(json.RawMessage{}, value...)}
	if stream == log.Notices {
		var n notify.TimelineEntry
		if json.Unmarshal(value, &n) != nil {
			return out, false
		}
		out.Time, out.Kind, out.Type = n.At, n.Kind, n.Type
		out.Text = joinWords(n.Title, shortType(n.Type), n.State, n.Endpoint, n.Detail)
		if n.State == "held" {
			out.Held = n.Reason
		}
		return out, true
	}
	var r rules.TimelineEntry
	if json.Unmarshal(value, &r) != nil {
		return out, false
	}
	out.Time, out.Kind = r.At, r.Kind
	out.Text = timelineText(&r)
	if r.Event != nil {
		out.Type = r.Event.Type
	}
	return out, true
}

// timelineText says in a few words what an entry of the rules stage tells.
func timelineText(r *rules.TimelineEntry) string {
	switch {
	case r.Event != nil:
		items := ""
		for _, it := range r.Event.Items {
			items = strings.TrimPrefix(items+", "+it.ID, ", ")
		}
		return joinWords(shortType(r.Event.Type), r.Event.Rule, items, r.Event.Reason)
	case r.Value != nil:
		return joinWords(r.Kind, r.Signal, strconv.FormatFloat(*r.Value, 'f', -1, 64), r.Reason)
	case r.Service != nil:
		return joinWords("service", strings.Join(r.Service.Items, ", "), r.Service.Order)
	case r.Kind == "assumed":
		names := make([]string, 0, len(r.Items))
		for _, it := range r.Items {
			names = append(names, it.ID)
		}
		return joinWords("history assumed", strings.Join(names, ", "))
	case r.Feedback != nil:
		return joinWords("feedback", r.Feedback.By, r.Feedback.Action)
	}
	return joinWords(r.Kind, r.Reason)
}

func joinWords(words ...string) string {
	s := ""
	for _, w := range words {
		switch {
		case w == "":
		case s == "":
			s = w
		default:
			s += " · " + w
		}
	}
	return s
}

func shortType(t string) string {
	const prefix = "milepost."
	if len(t) > len(prefix) && t[:len(prefix)] == prefix {
		return t[len(prefix):]
	}
	return t
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
