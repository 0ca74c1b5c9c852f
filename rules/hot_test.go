//go:build unix

package rules_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// fleetOfOne is a machine with one car that has a 6-item plan and n rules of which none fires.
type fleetOfOne struct {
	m   *state.Machine
	rec log.Record
	seq int
}

var hotSignals = [...]string{"coolant_temp", "speed", "lv_battery_voltage", "soc", "oil_temp"}

// rulesOf is a rule set of n rules that read what the car's records carry, others that do not, and a plan
// of 6 items.
func rulesOf(n, others int) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {id: r%d, when: \"%s > %d && speed > 250\", for: 30s}\n", i, hotSignals[i%len(hotSignals)], 100+i)
	}
	for i := range others {
		fmt.Fprintf(&b, "  - {id: x%d, when: ambient_temp > %d, for: 30s}\n", i, i)
	}
	b.WriteString("plans:\n  - id: std\n    remind: {soon: {km: 1000, days: 30}}\n    items:\n")
	for i := range 6 {
		fmt.Fprintf(&b, "      - {id: item%d, every: {km: %d, months: %d}}\n", i, 10000+1000*i, 12+i)
	}
	return b.String()
}

func newFleet(tb testing.TB, content string, wrap func(*rules.Step) state.Step) *fleetOfOne {
	tb.Helper()
	step, err := rules.NewStep(rules.StepOptions{Decoders: decoders})
	if err != nil {
		tb.Fatal(err)
	}
	m, err := state.NewMachine(state.MachineOptions{Step: wrap(step), Stage: log.Events})
	if err != nil {
		tb.Fatal(err)
	}
	_, _, payload, err := rules.BuildActivation(rules.Activation{Number: 1, Files: []rules.File{{Name: "r.yaml", Content: content}}})
	if err != nil {
		tb.Fatal(err)
	}
	f := &fleetOfOne{m: m, rec: log.Record{Kind: log.Event, Key: []byte("V1"), Types: uint32(ingest.TypeSet(ingest.Telemetry, ingest.Vehicle)), Codec: []byte("json"), Arrival: base}}
	f.apply(tb, &log.Record{Kind: log.Control, Arrival: base, Payload: payload})
	f.rec.Payload = []byte(`{"type":"vehicle","vin":"V1","profile":{"plan":"std","in_service":"2026-01-01","timezone":"Asia/Shanghai"}}`)
	f.apply(tb, &f.rec)
	f.rec.Payload = []byte(`{"type":"telemetry","vin":"V1","time":1772352000000,"seq":1000000,"signals":{"odometer":1500.00,"speed":63.2,"coolant_temp":92,"lv_battery_voltage":13.9,"soc":71.5,"oil_temp":88,"dtcs":["P0301"]}}`)
	f.next(tb)
	return f
}

const base = int64(1772352000000)

func (f *fleetOfOne) apply(tb testing.TB, rec *log.Record) {
	if err := f.m.Apply(f.m.Position(), rec); err != nil {
		tb.Fatal(err)
	}
}

// next applies the car's next record: a second later, ten metres on.
func (f *fleetOfOne) next(tb testing.TB) {
	f.seq++
	f.rec.Arrival = base + int64(f.seq)*1000
	digits(f.rec.Payload, `"time":`, f.rec.Arrival)
	digits(f.rec.Payload, `"seq":`, int64(1000000+f.seq))
	km := int64(f.seq)
	digits(f.rec.Payload, `"odometer":`, 1500+km/100)
	f.apply(tb, &f.rec)
}

// digits writes a number of as many digits as stand behind name.
func digits(b []byte, name string, v int64) {
	i := bytes.Index(b, []byte(name)) + len(name)
	end := i
	for end < len(b) && b[end] >= '0' && b[end] <= '9' {
		end++
	}
	for j := end - 1; j >= i; j-- {
		b[j] = byte('0' + v%10)
		v /= 10
	}
}

// A record of a known car on which nothing fires costs the step no allocation.
func TestHotPathAllocatesNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var m *meter
	f := newFleet(t, rulesOf(50, 0), func(s *rules.Step) state.Step {
		m = &meter{Step: s}
		return m
	})
	for range 100 {
		f.next(t)
	}
	m.mallocs = 0
	const records = 1000
	for range records {
		f.next(t)
	}
	if m.mallocs > records/100 { // the runtime's own
		t.Errorf("%d allocations in %d records, expected none", m.mallocs, records)
	}
	if o := f.m.Outcomes(); o[state.Applied] != uint64(f.seq)+1 {
		t.Errorf("outcomes %v, expected all %d applied", o, f.seq+1)
	}
}

// Nor does it cost the engine around the step one: timers, handover of the clock and all.
func TestWholeRecordAllocatesNothing(t *testing.T) {
	f := newFleet(t, rulesOf(50, 0), func(s *rules.Step) state.Step { return s })
	for range 100 {
		f.next(t)
	}
	if n := testing.AllocsPerRun(1000, func() { f.next(t) }); n > 0 {
		t.Errorf("%v allocations a record, expected none", n)
	}
}

// meter counts what the step alone allocates.
type meter struct {
	*rules.Step
	mallocs uint64
}

func (m *meter) Apply(c *state.Context, in *state.Input) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m.Step.Apply(c, in)
	runtime.ReadMemStats(&after)
	m.mallocs += after.Mallocs - before.Mallocs
}

// cpu is what the process has used, in nanoseconds: the figure that holds on a shared machine.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
