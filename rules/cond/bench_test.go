package cond

import "testing"

// benchmarks are conditions by shape, each with a frame in which nothing short-circuits.
var benchmarks = []struct{ name, src string }{
	{"threshold", "speed > 5"},
	{"two", "coolant_temp > 85 && speed > 5"},
	{"arithmetic", "odometer - service.last_km >= 9500 && speed < 100 && 'P0301' in dtcs"},
	{"fact", "vehicle.model == 'A5' && !ignition"},
	{"list", "vehicle.model in ['A1', 'A2', 'A3', 'A4', 'A5']"},
	{"glob", "dtc('*FMI0@0')"},
	{"age", "age(speed) > 3600 || km_since('engine-oil') > 10000"},
}

func benchmarkFrame(tb testing.TB, env *Env) *Frame {
	tb.Helper()
	f, err := state{
		"now 600s", "speed 63.2 at 590s", "coolant_temp 92 at 590s", "odometer 20000 at 0s",
		"ignition false at 590s", "dtcs [P0420 P0301 SPN110/FMI0@0] at 0s", "vehicle.model 'A5'",
		"service.last_km 10500", "engine-oil km 9500 days 200",
	}.frame(env)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func BenchmarkEval(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			env := newTestEnv(b)
			c := mustCompile(b, env, bm.src)
			f := benchmarkFrame(b, env)
			b.ReportAllocs()
			for b.Loop() {
				c.Eval(f)
			}
		})
	}
}

// BenchmarkEvalFloor is what "two" costs when it is written in Go for these very slots.
func BenchmarkEvalFloor(b *testing.B) {
	env := newTestEnv(b)
	f := benchmarkFrame(b, env)
	temp, speed := env.slots["coolant_temp"], env.slots["speed"]
	hold := int64(600_000)
	two := func(f *Frame) Tri {
		t, s := &f.Samples[temp], &f.Samples[speed]
		if !t.holds(f.Now, hold) || !s.holds(f.Now, hold) {
			return Unknown
		}
		return Of(t.V > 85 && s.V > 5)
	}
	b.ReportAllocs()
	for b.Loop() {
		two(f)
	}
}

func BenchmarkCompile(b *testing.B) {
	env := newTestEnv(b)
	b.ReportAllocs()
	for b.Loop() {
		mustCompile(b, env, "coolant_temp > 85 && speed > 5 && vehicle.model in ['A5', 'A6']")
	}
}

func TestEvalDoesNotAllocate(t *testing.T) {
	for _, bm := range benchmarks {
		env := newTestEnv(t)
		c := mustCompile(t, env, bm.src)
		f := benchmarkFrame(t, env)
		if n := testing.AllocsPerRun(100, func() { c.Eval(f) }); n != 0 {
			t.Errorf("%s: %v allocations", bm.src, n)
		}
	}
}
