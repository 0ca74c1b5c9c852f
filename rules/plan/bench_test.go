package plan

import "testing"

// The hot path of a telemetry record: one accepted odometer sample, one look at the horizon.
func BenchmarkObserveQuiet(b *testing.B) {
	s, p, m := benchCar(b)
	z := zone(b, "Asia/Shanghai")
	_, far := s.Evaluate(p, m, nil)
	at := s.Core.Odometer.At
	b.ReportAllocs()
	for b.Loop() {
		at += 1000
		s.Observe(Odometer, Sample{Raw: Metres(9000), E: at, Now: at, Zone: z})
		if !far.Quiet(s.Core, m.Today) {
			b.Fatal("not quiet")
		}
	}
}

// What a record costs when something may have changed: a plan of six items.
func BenchmarkEvaluate6(b *testing.B) {
	s, p, m := benchCar(b)
	var out []Change
	b.ReportAllocs()
	for b.Loop() {
		out, _ = s.Evaluate(p, m, out[:0])
	}
}

func BenchmarkToday(b *testing.B) {
	z := zone(b, "Europe/Berlin")
	at := storyTime(b, "2026-01-01")
	b.ReportAllocs()
	for b.Loop() {
		z.Today(at, 540)
	}
}

func benchCar(b *testing.B) (*State, *Plan, Moment) {
	p := &Plan{ID: "p", Items: manyItems(6)}
	if problems := p.Resolve(); problems != nil {
		b.Fatal(problems)
	}
	s := &State{Core: &Core{}}
	at := storyTime(b, "2026-01-01")
	s.Observe(Odometer, Sample{Raw: Metres(8990), E: at, Now: at})
	for i := range p.Items {
		s.AddService(Service{Time: at, Now: at, KM: Told{Metres(8990), true}, Items: []ItemKey{p.Items[i].Key}})
	}
	return s, p, Moment{Today: Civil(2026, 1, 1), InService: Civil(2025, 6, 1)}
}
