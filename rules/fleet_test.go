package rules_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

const twoAnchors = `
rules:
  - {id: low-12v, when: lv_battery_voltage < 11.8, for: 30s, until: lv_battery_voltage > 12.4}
  - {id: old-value, when: age(soc) > 7200.0}
  - {id: overrun, when: "km_since('oil') > 9000 && vehicle.line == 'passenger'"}
plans:
  - id: fixed
    applies_to: vehicle.line == "commercial"
    anchor: plan
    items:
      - {id: oil, first: {km: 5000, months: 6}, every: {km: 10000, months: 12}}
      - {id: brake-fluid, every: {km: 40000, months: 24}}
  - id: since-service
    items:
      - {id: oil, every: {km: 10000, months: 12}}
      - {id: brake-fluid, first: {months: 36}, every: {months: 24}}
      - {id: belt, every: {km: 90000}}
`

// S31: used cars without a service record, loaded in one go, send no overdue message.
func TestUsedFleetIsNotOverdue(t *testing.T) {
	h := newHarness(t)
	if _, err := h.activate(rules.File{Name: "r.yaml", Content: twoAnchors}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	events := 0
	for i := range 1500 {
		service := h.clock.AddDate(0, 0, -r.IntN(12*365))
		for _, line := range []string{
			fmt.Sprintf(`{"type":"vehicle","vin":"V%d","profile":{"line":%q,"in_service":%q,"owner":"O%d"}}`, i, []string{"passenger", "commercial"}[r.IntN(2)], service.Format(time.DateOnly), i),
			fmt.Sprintf(`{"type":"telemetry","vin":"V%d","signals":{"odometer":%d}}`, i, 10+r.IntN(200_000)),
		} {
			out, err := h.event(line)
			if err != nil {
				t.Fatal(err)
			}
			events += strings.Count(out, "reminder.")
			if strings.Contains(out, "reminder.overdue") {
				t.Fatalf("%s\n%s", line, out)
			}
		}
	}
	if events == 0 {
		t.Error("not one reminder: the test tests nothing")
	}
}

// The same records give the same documents and notices, also when every document is stored and loaded
// between records (E2, E12).
func TestStepIsAFunctionOfItsInput(t *testing.T) {
	run := func(roundTrip bool) (string, string) {
		h := newHarness(t)
		h.m = newMachine(t, roundTrip)
		if _, err := h.activate(rules.File{Name: "r.yaml", Content: twoAnchors}); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		last := ""
		r := rand.New(rand.NewPCG(9, 10))
		for range 1500 {
			h.clock = h.clock.Add(time.Duration(r.IntN(6)*r.IntN(600)) * time.Second)
			line := h.expand(randomLine(r, h.clock))
			if r.IntN(8) == 0 && last != "" {
				line = last
			}
			last = line
			s, err := h.do(line)
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString(s)
		}
		return out.String(), h.dump()
	}
	events, documents := run(false)
	for _, roundTrip := range []bool{false, true} {
		e, d := run(roundTrip)
		if e != events {
			t.Errorf("round trip %v: other events", roundTrip)
		}
		if d != documents {
			t.Errorf("round trip %v: other documents", roundTrip)
		}
	}
	for _, want := range []string{"alert.firing", "alert.resolved", "reminder.soon", "reminder.done", "lead.closed", "duplicate", "late", "released"} {
		if !strings.Contains(events, want) {
			t.Errorf("no %s in the run: it tests too little", want)
		}
	}
}

func newMachine(t *testing.T, roundTrip bool) *state.Machine {
	t.Helper()
	step, err := rules.NewStep(rules.StepOptions{Decoders: decoders})
	if err != nil {
		t.Fatal(err)
	}
	m, err := state.NewMachine(state.MachineOptions{Step: step, Stage: log.Events, RoundTrip: roundTrip})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// randomLine is something that may happen to one of a few cars.
func randomLine(r *rand.Rand, clock time.Time) string {
	car := r.IntN(6)
	switch r.IntN(12) {
	case 0:
		return fmt.Sprintf(`{"type":"vehicle","vin":"V%d","profile":{"line":%q,"in_service":"2024-0%d-15","owner":"O%d","dealer":"D%d"}}`,
			car, []string{"passenger", "commercial"}[r.IntN(2)], 1+r.IntN(9), r.IntN(2), r.IntN(2))
	case 1:
		return fmt.Sprintf(`{"type":"service","vin":"V%d","time":%q,"items":[%q],"odometer":%d}`,
			car, clock.AddDate(0, 0, -r.IntN(100)).UTC().Format(time.RFC3339), []string{"oil", "belt", "brake-fluid"}[r.IntN(3)], 9000+r.IntN(3000))
	case 2:
		return fmt.Sprintf(`{"type":"feedback","vin":"V%d","about":"x","by":"owner","action":"opened"}`, car)
	case 3:
		return fmt.Sprintf(`{V%d lv_battery_voltage=11.5 soc=50 @-%dm}`, car, 900*r.IntN(2))
	default:
		km := 9000 + clock.Sub(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)).Hours()*4
		return fmt.Sprintf(`{V%d odometer=%.1f lv_battery_voltage=%.1f dtcs=["P030%d"]}`, car, km+float64(r.IntN(2)), 11.5+float64(r.IntN(3)), r.IntN(3))
	}
}
