//go:build unix

package rules_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/fleet"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

const benchCars = 100_000

// BenchmarkStepFleet is one step in memory: strict decode, the benchmark's 50 rules and plan of 6 items,
// on 100,000 cars in random order.
func BenchmarkStepFleet(b *testing.B) {
	content, err := os.ReadFile("testdata/bench/rules.yaml")
	if err != nil {
		b.Fatal(err)
	}
	f := newFleet(b, string(content), func(s *rules.Step) state.Step { return s })
	rec := &log.Record{Kind: log.Event, Types: f.rec.Types, Codec: f.rec.Codec, Arrival: base}
	filler := fleet.NewFiller(benchCars, 1, time.UnixMilli(base), 0)
	for i := range benchCars {
		rec.Key = filler.VIN(i)
		rec.Payload = fmt.Appendf(nil, `{"type":"vehicle","vin":%q,"profile":{"powertrain":"ice","in_service":"2026-01-15","timezone":"Asia/Shanghai"}}`, rec.Key)
		f.apply(b, rec)
		_, rec.Payload = filler.Of(i, rec.Arrival)
		f.apply(b, rec)
	}
	n := 0
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		n++
		rec.Arrival = base + int64(n/500) + 1 // 500,000 events a second
		rec.Key, rec.Payload = filler.NextAt(rec.Arrival)
		f.apply(b, rec)
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/event")
}

// BenchmarkStepFloor is the cheapest program for the same work: the same events decoded as strictly, and a
// document of 600 bytes copied out of a table and back.
func BenchmarkStepFloor(b *testing.B) {
	filler := fleet.NewFiller(benchCars, 1, time.UnixMilli(base), time.Millisecond)
	table := make(map[string]int32, benchCars)
	documents := make([][600]byte, benchCars)
	for i := range benchCars {
		table[string(filler.VIN(i))] = int32(i)
	}
	decoder := jsoncodec.NewDecoder(ingest.BuiltinCatalogue())
	var ev ingest.Event
	b.ReportAllocs()
	before := cpu(b)
	n := 0
	for b.Loop() {
		n++
		vin, payload := filler.Next()
		if err := decoder.Decode(payload, &ev); err != nil {
			b.Fatal(err)
		}
		i := table[string(vin)]
		doc := documents[i]
		doc[n%len(doc)]++
		documents[i] = doc
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/event")
}

// BenchmarkRuleMore is what one rule more costs that reads a signal of the record and does not match: 150
// rules against 50 in turns, so that a busy machine slows both. An operation is a turn of 2 × 1,000 events.
func BenchmarkRuleMore(b *testing.B) {
	few, many := turns(b, rulesOf(50, 0), rulesOf(150, 0))
	b.ReportMetric((many-few)/100, "cpu-ns/rule")
}

// BenchmarkRules10000 is what 9,990 rules cost that the record does not concern, beside 10 that it does:
// as a multiple of the 10 alone.
func BenchmarkRules10000(b *testing.B) {
	few, many := turns(b, rulesOf(10, 0), rulesOf(10, 9990))
	b.ReportMetric(few, "cpu-ns/10-rules")
	b.ReportMetric(many, "cpu-ns/10000-rules")
	b.ReportMetric(many/few, "times")
}

// turns runs two rule sets on one car each, in turns, and returns what an event cost, in nanoseconds of
// processor time.
func turns(b *testing.B, contents ...string) (first, second float64) {
	const turn = 1000
	var fleets [2]*fleetOfOne
	for i, content := range contents {
		fleets[i] = newFleet(b, content, func(s *rules.Step) state.Step { return s })
	}
	var spent [2]int64
	n := 0
	for b.Loop() {
		n += turn
		for i, f := range fleets {
			before := cpu(b)
			for range turn {
				f.next(b)
			}
			spent[i] += cpu(b) - before
		}
	}
	return float64(spent[0]) / float64(n), float64(spent[1]) / float64(n)
}
