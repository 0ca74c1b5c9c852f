package notify_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/ingest"
	ingestjson "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

const (
	start  = int64(1_772_352_000_000) // 2026-03-01T08:00Z
	minute = int64(60_000)
	day    = 24 * 60 * minute
)

// bench is the notify stage on a Machine in memory: notices go in as handovers, rows and observations
// come out.
type bench struct {
	t    *testing.T
	m    *state.Machine
	rows map[state.Space]map[string][]byte
	sent log.Offset
	now  int64
	seen []string
	// vin, party and facts of the notices to come.
	vin, party string
	facts      rules.Facts
	// later: the notices are of records that leave the profile alone.
	later  bool
	policy string // the rule file in force
}

func newBench(t *testing.T, wait int64) *bench {
	t.Helper()
	b := &bench{t: t, rows: map[state.Space]map[string][]byte{}, now: start, vin: "V1", party: "O1"}
	b.facts = rules.Facts{Owner: "O1", Dealer: "D1", Plate: "B-1", Model: "E5", Zone: "Asia/Shanghai"}
	step := notify.NewStep(notify.StepOptions{
		Decoder: ingestjson.NewDecoder(ingest.BuiltinCatalogue()),
		Observe: b.observe,
	})
	m, err := state.NewMachine(state.MachineOptions{Step: step, Stage: log.Notices, Senders: 1, RoundTrip: true})
	if err != nil {
		t.Fatal(err)
	}
	b.m = m
	b.policy = fmt.Sprintf("policy: {group: {wait: %dm}}", wait/minute)
	b.activate(rules.Activation{Source: "/test", Endpoints: []rules.Endpoint{{Name: "app", Owner: true}, {Name: "crm", Dealer: true}}})
	return b
}

func (b *bench) observe(o notify.Observation) {
	var s string
	switch o.Op {
	case notify.Created:
		s = fmt.Sprintf("created %s to %s", o.ID, o.To)
	case notify.Held:
		s = fmt.Sprintf("held %s %s", o.ID, o.Reason)
	case notify.Joined:
		s = fmt.Sprintf("joined %s to %s", o.ID, o.Joined)
	case notify.Released:
		s = "released " + o.ID
	}
	if d := o.At - start; d > 0 {
		s += fmt.Sprintf(" +%dm", d/minute)
	}
	b.seen = append(b.seen, s)
}

func (b *bench) apply(r log.Record) {
	b.t.Helper()
	if err := b.m.Apply(b.m.Position(), &r); err != nil {
		b.t.Fatal(err)
	}
	for _, op := range b.m.RowOps() {
		if b.rows[op.Space] == nil {
			b.rows[op.Space] = map[string][]byte{}
		}
		if op.Delete {
			delete(b.rows[op.Space], op.Key)
		} else {
			b.rows[op.Space][op.Key] = op.Value
		}
	}
}

func (b *bench) activate(a rules.Activation) {
	b.t.Helper()
	a.Files = []rules.File{{Name: "policy.yaml", Content: b.policy}}
	b.apply(log.Record{Kind: log.Control, Payload: mustJSON(b.t, a)})
}

// notice hands over one notice of the bench's vehicle to its party.
func (b *bench) notice(kind string, evs ...rules.Event) {
	b.t.Helper()
	b.sent++
	n := rules.Notice{VIN: b.vin, Kind: kind, Contact: !b.later, Events: evs, Facts: b.facts}
	b.apply(log.Record{Kind: log.Handover, Payload: state.AppendHandover(nil, &state.Handover{
		Offset: b.sent, Clock: b.now,
		Notices: []state.Notice{{Key: []byte(b.party), Sub: []byte(b.vin), At: b.now, Payload: mustJSON(b.t, n)}},
	})})
}

// events sends events with the items that are not ok after them.
func (b *bench) events(notOK []rules.ItemRef, evs ...rules.Event) {
	b.t.Helper()
	b.facts.NotOK = notOK
	b.notice("events", evs...)
}

// advance moves the clock of the stage.
func (b *bench) advance(ms int64) {
	b.t.Helper()
	b.now += ms
	b.sent++
	b.apply(log.Record{Kind: log.Handover, Payload: state.AppendHandover(nil, &state.Handover{Offset: b.sent, Clock: b.now})})
}

func (b *bench) partyEvent(payload string) {
	b.t.Helper()
	b.apply(log.Record{Kind: log.Event, Arrival: b.now, Key: []byte(b.party), Types: uint32(ingest.TypeSet(ingest.Party)), Payload: []byte(payload)})
}

func (b *bench) result(r notify.Result) {
	b.t.Helper()
	b.apply(log.Record{Kind: log.Result, Arrival: b.now, Key: []byte(b.party), Payload: mustJSON(b.t, r)})
}

// want checks what was observed since the last want.
func (b *bench) want(lines ...string) {
	b.t.Helper()
	if !slices.Equal(b.seen, lines) {
		b.t.Errorf("observed\n  %s\nwant\n  %s", strings.Join(b.seen, "\n  "), strings.Join(lines, "\n  "))
	}
	b.seen = nil
}

// outbox returns the entries in row key order.
func (b *bench) outbox() []*notify.Entry {
	b.t.Helper()
	var out []*notify.Entry
	for _, k := range b.keys(state.RowOutbox) {
		e, err := notify.ParseEntry(b.rows[state.RowOutbox][k])
		if err != nil {
			b.t.Fatal(err)
		}
		if string(e.Key()) != k {
			b.t.Fatalf("entry %s has key %q, its row %q", e.ID, e.Key(), k)
		}
		out = append(out, e)
	}
	return out
}

func (b *bench) wantOutbox(lines ...string) {
	b.t.Helper()
	var got []string
	for _, e := range b.outbox() {
		got = append(got, fmt.Sprintf("%s %s %s", e.Endpoint, e.ID, strings.TrimPrefix(e.Type, "milepost.")))
	}
	if !slices.Equal(got, lines) {
		b.t.Errorf("outbox\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

func (b *bench) keys(s state.Space) []string {
	var ks []string
	for k := range b.rows[s] {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}

// data decodes the data of the outbox entry of an event.
func (b *bench) data(id string) map[string]any {
	b.t.Helper()
	for _, e := range b.outbox() {
		if e.ID != id {
			continue
		}
		var env struct {
			Data map[string]any `json:"data"`
		}
		if err := json.Unmarshal(e.Body, &env); err != nil {
			b.t.Fatal(err)
		}
		return env.Data
	}
	b.t.Fatalf("no entry %s in the outbox", id)
	return nil
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reminder is an event about items at a level, for owner and dealer.
func reminder(id, level string, items ...rules.ItemRef) rules.Event {
	return rules.Event{
		ID: id, Type: "milepost.reminder." + level, Alert: items[0].Alert, Time: start, Plan: "p", Version: "sha256:1",
		Items: items, ToOwner: true, ToDealer: true,
	}
}

// item is one of a reminder; its alert is that of its first interval.
func item(id, level string) rules.ItemRef {
	km := map[string]float64{"soon": 690, "due": -20, "overdue": -700}[level]
	return rules.ItemRef{ID: id, Alert: "a_" + id, Level: level, Title: map[string]string{"en": "The " + id, "zh": "项目" + id}, RestKM: &km, Minutes: 40}
}

// again is the item in its next interval.
func again(r rules.ItemRef) rules.ItemRef {
	r.Alert += "2"
	return r
}

func firing(rule, severity string) rules.Event {
	return rules.Event{
		ID: "e_" + rule, Type: "milepost.alert.firing", Alert: "a_" + rule, Time: start, Severity: severity, Rule: rule, Version: "sha256:1",
		Title: map[string]string{"en": "Title of " + rule}, Text: map[string]string{"en": "Text of " + rule}, ToOwner: true, Critical: severity == "critical",
	}
}

func resolved(rule string) rules.Event {
	e := firing(rule, "warning")
	e.ID, e.Type, e.Reason, e.Critical, e.Text = "x_"+rule, "milepost.alert.resolved", "", false, nil
	return e
}

func items(r ...rules.ItemRef) []rules.ItemRef { return r }
