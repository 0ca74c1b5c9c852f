package rules_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// harness runs a vehicle step on a Machine in memory: lines in, what left out.
type harness struct {
	m     *state.Machine
	clock time.Time
	names map[string]string
	next  map[byte]int
	// notices are those of the last record, parties whom they went to.
	notices []rules.Notice
	parties []string
	number  int
	// evidence: print it too.
	evidence bool
}

func decoders(c *ingest.Catalogue) map[string]ingest.Decoder {
	return map[string]ingest.Decoder{"json": jsoncodec.NewDecoder(c)}
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	step, err := rules.NewStep(rules.StepOptions{Decoders: decoders})
	if err != nil {
		t.Fatal(err)
	}
	m, err := state.NewMachine(state.MachineOptions{Step: step, Stage: log.Events, RoundTrip: true})
	if err != nil {
		t.Fatal(err)
	}
	return &harness{m: m, clock: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), names: map[string]string{}, next: map[byte]int{}}
}

// apply gives the machine a record and keeps what left.
func (h *harness) apply(rec log.Record) error {
	rec.Arrival = h.clock.UnixMilli()
	h.notices, h.parties = h.notices[:0], h.parties[:0]
	if err := h.m.Apply(h.m.Position(), &rec); err != nil {
		return err
	}
	for h.m.Overdue() {
		h.collect()
		if err := h.m.Apply(h.m.Position(), &log.Record{Kind: log.Tick, Arrival: rec.Arrival}); err != nil {
			return err
		}
	}
	h.collect()
	return nil
}

func (h *harness) collect() {
	for _, o := range h.m.Outbound() {
		ho, err := state.DecodeHandover(o.Record.Payload)
		if err != nil {
			panic(err)
		}
		for _, n := range ho.Notices {
			var notice rules.Notice
			if err := json.Unmarshal(n.Payload, &notice); err != nil {
				panic(err)
			}
			h.notices = append(h.notices, notice)
			h.parties = append(h.parties, string(n.Key))
		}
	}
}

// activate loads a rule set.
func (h *harness) activate(files ...rules.File) (string, error) {
	h.number++
	_, _, payload, err := rules.BuildActivation(rules.Activation{Number: h.number, Files: files, Zone: "UTC"})
	if err != nil {
		return "", err
	}
	if err := h.apply(log.Record{Kind: log.Control, Payload: payload}); err != nil {
		return "", err
	}
	return h.print(), nil
}

var outcomeNames = [4]string{"applied", "duplicate", "late", "quarantined"}

// event applies one payload, from a source that may carry everything, and returns what became of it and what left.
func (h *harness) event(payload string) (string, error) {
	return h.eventOf(ingest.TypeSet(ingest.Telemetry, ingest.Vehicle, ingest.Service, ingest.Feedback, ingest.Party), payload)
}

// eventOf is event from a source that may carry some types.
func (h *harness) eventOf(types ingest.Types, payload string) (string, error) {
	var head struct{ VIN string }
	_ = json.Unmarshal([]byte(payload), &head)
	if head.VIN == "" {
		head.VIN = "V1"
	}
	return h.record(log.Record{
		Kind: log.Event, Key: []byte(head.VIN), Types: uint32(types), Topic: []byte("test/topic"),
		Source: []byte("test"), Codec: []byte("json"), Payload: []byte(payload),
	})
}

// record applies an event's record.
func (h *harness) record(rec log.Record) (string, error) {
	before := h.m.Outcomes()
	err := h.apply(rec)
	if err != nil {
		return "", err
	}
	out := ""
	for i, n := range h.m.Outcomes() {
		if n != before[i] && outcomeNames[i] != "applied" {
			out = outcomeNames[i]
			if out == "quarantined" {
				out += h.lastDead()
			}
			out += "\n"
		}
	}
	return out + h.print(), nil
}

// lastDead is the reason of the newest dead letter.
func (h *harness) lastDead() string {
	for _, op := range h.m.RowOps() {
		if op.Space == state.RowDead {
			d, err := state.DecodeDeadLetter(op.Value)
			if err != nil {
				return err.Error()
			}
			return " " + d.Reason + ": " + d.Detail
		}
	}
	return ""
}

// print writes the notices, ids replaced by short names in order of appearance.
func (h *harness) print() string {
	var b strings.Builder
	for i, n := range h.notices {
		if n.Kind != "events" {
			fmt.Fprintf(&b, "→ %s %s\n", h.parties[i], n.Kind)
			continue
		}
		for _, e := range n.Events {
			fmt.Fprintf(&b, "→ %s %s\n", h.parties[i], h.line(&e))
		}
	}
	return b.String()
}

func (h *harness) line(e *rules.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", strings.TrimPrefix(e.Type, "milepost."), h.name(e.ID))
	if e.Alert != "" {
		fmt.Fprintf(&b, " of %s", h.name(e.Alert))
	}
	if e.Rule != "" {
		b.WriteString(" rule=" + e.Rule)
	}
	for _, it := range e.Items {
		fmt.Fprintf(&b, " [%s %s", it.ID, it.Level)
		if it.RestKM != nil {
			fmt.Fprintf(&b, " %gkm", *it.RestKM)
		}
		if it.RestDays != nil {
			fmt.Fprintf(&b, " %dd", *it.RestDays)
		}
		if it.RestHours != nil {
			fmt.Fprintf(&b, " %gh", *it.RestHours)
		}
		b.WriteString("]")
	}
	for _, c := range e.Causes {
		fmt.Fprintf(&b, " (%s%s %s)", c.Item, c.Rule, c.Level)
	}
	if e.Lead != "" && e.Dealer != "" {
		b.WriteString(" dealer=" + e.Dealer)
	}
	if e.Reason != "" {
		b.WriteString(" reason=" + e.Reason)
	}
	for _, f := range []struct {
		on   bool
		name string
	}{{e.ToOwner, "owner"}, {e.ToDealer, "dealer"}, {e.Critical, "critical"}, {e.Silent, "silent"}, {e.Late, "late"}} {
		if f.on {
			b.WriteString(" " + f.name)
		}
	}
	for _, lang := range []string{"en", "zh"} {
		if t := e.Text[lang]; t != "" {
			fmt.Fprintf(&b, " %q", t)
		}
	}
	if len(e.Detail) > 0 {
		d, _ := json.Marshal(e.Detail)
		b.WriteString(" " + string(d))
	}
	if len(e.Evidence) > 0 && h.evidence {
		for _, x := range e.Evidence {
			fmt.Fprintf(&b, " %s=%v", x.Signal, x.Value)
		}
	}
	fmt.Fprintf(&b, " @%s", time.UnixMilli(e.Time).UTC().Format("01-02T15:04:05"))
	return b.String()
}

// name is a short name for an id: a1, a2, e1 …
func (h *harness) name(id string) string {
	if n, ok := h.names[id]; ok {
		return n
	}
	h.next[id[0]]++
	h.names[id] = fmt.Sprintf("%c%d", id[0], h.next[id[0]])
	return h.names[id]
}

// run interprets a script: "at TIME" and "+DURATION" move the clock with a tick, a JSON line is an event,
// "set VIN KM" is an operator's decision, "unmatched" before an event says that no filter matched its topic, everything else is an error. Each line that made something happen is printed with it.
func (h *harness) run(script string) string {
	var out strings.Builder
	sc := bufio.NewScanner(strings.NewReader(script))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		result, err := h.do(line)
		if err != nil {
			fmt.Fprintf(&out, "error: %v\n", err)
			continue
		}
		if result != "" {
			fmt.Fprintf(&out, "%s\n%s", line, result)
		}
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

func (h *harness) do(line string) (string, error) {
	switch {
	case line[0] == '{' || strings.HasPrefix(line, "raw "):
		return h.event(h.expand(strings.TrimPrefix(line, "raw ")))
	case strings.HasPrefix(line, "set "):
		var vin string
		var d rules.Decision
		if _, err := fmt.Sscanf(line, "set %s %g", &vin, &d.OdometerKM); err != nil {
			return "", err
		}
		return h.record(d.Record(vin))
	case strings.HasPrefix(line, "unmatched "):
		return h.eventOf(0, strings.TrimPrefix(line, "unmatched "))
	case line[0] == '+':
		d, err := parseSpan(line[1:])
		if err != nil {
			return "", err
		}
		h.clock = h.clock.Add(d)
		return h.tick()
	case strings.HasPrefix(line, "show "):
		return h.show(strings.TrimPrefix(line, "show "))
	case strings.HasPrefix(line, "at "):
		t, err := time.Parse(time.RFC3339, strings.TrimPrefix(line, "at "))
		if err != nil {
			return "", err
		}
		h.clock = t
		return h.tick()
	}
	return "", errors.New("what is " + line)
}

// show prints one vehicle as people see it.
func (h *harness) show(vin string) (string, error) {
	a, prog, err := rules.ParseActivation(h.m.Control())
	if err != nil {
		return "", err
	}
	view, ok, err := rules.ShowVehicle(vin, h.clock.UnixMilli(), a, prog, func(sub string) []byte {
		b, _ := h.m.View([]byte(vin), []byte(sub))
		return b
	})
	if err != nil || !ok {
		return "unknown\n", err
	}
	if view.Lead != nil {
		view.Lead.ID = h.name(view.Lead.ID)
	}
	for i := range view.Alerts {
		view.Alerts[i].Alert = h.name(view.Alerts[i].Alert)
	}
	b, err := json.MarshalIndent(view, "", " ")
	return string(b) + "\n", err
}

func (h *harness) tick() (string, error) {
	err := h.apply(log.Record{Kind: log.Tick})
	return h.print(), err
}

// expand lets scripts write telemetry shortly: {V1 odometer=100 speed=3 @-5m} is telemetry of V1 with a
// time 5 minutes before the clock; real JSON is left alone.
func (h *harness) expand(s string) string {
	if !strings.HasPrefix(s, "{") || strings.HasPrefix(s, `{"`) || !strings.HasSuffix(s, "}") {
		return s
	}
	fields := strings.Fields(s[1 : len(s)-1])
	var signals []string
	at, extra := fmt.Sprintf(`,"time":%q`, h.clock.UTC().Format("2006-01-02T15:04:05.000Z")), ""
	for _, f := range fields[1:] {
		switch name, value, _ := strings.Cut(f, "="); {
		case f == "@none":
			at = ""
		case f[0] == '@':
			d, err := parseSpan(f[2:])
			if err != nil {
				return s
			}
			if f[1] == '-' {
				d = -d
			}
			at = fmt.Sprintf(`,"time":%q`, h.clock.Add(d).UTC().Format("2006-01-02T15:04:05.000Z"))
		case name == "seq" || name == "boot":
			extra += fmt.Sprintf(`,%q:%s`, name, value)
		default:
			signals = append(signals, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return fmt.Sprintf(`{"type":"telemetry","vin":%q%s,"signals":{%s}}`, fields[0], at+extra, strings.Join(signals, ","))
}

// parseSpan reads 90s, 10m, 3h, 2d.
func parseSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		return 24 * d, err
	}
	return time.ParseDuration(s)
}

// dump is every document of the machine.
func (h *harness) dump() string {
	var b bytes.Buffer
	if err := h.m.Dump(&b); err != nil {
		return err.Error()
	}
	return b.String()
}
