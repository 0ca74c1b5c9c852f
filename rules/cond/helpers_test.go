package cond

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testSignals is a small catalogue with every kind and both kinds of hold.
var testSignals = []Signal{
	{Name: "speed", HoldMS: 600_000},
	{Name: "coolant_temp", HoldMS: 600_000},
	{Name: "lv_battery_voltage", HoldMS: 600_000},
	{Name: "odometer"},
	{Name: "soc"},
	{Name: "ignition", Kind: BoolSignal, HoldMS: 600_000},
	{Name: "charging", Kind: BoolSignal, HoldMS: 600_000},
	{Name: "mil", Kind: BoolSignal},
	{Name: "dtcs", Kind: SetSignal},
	{Name: "alarms", Kind: SetSignal, HoldMS: 600_000},
}

func newTestEnv(tb testing.TB) *Env {
	tb.Helper()
	env, err := NewEnv(testSignals, []string{"engine-oil", "cabin-filter", "brake-fluid"})
	if err != nil {
		tb.Fatal(err)
	}
	return env
}

func mustCompile(tb testing.TB, env *Env, src string) *Cond {
	tb.Helper()
	c, err := Compile(env, src)
	if err != nil {
		tb.Fatalf("%s: %v", src, err)
	}
	return c
}

// state fills frames: the lines of a "state" command, kept until the next one.
type state []string

// frame makes a frame of env as the lines say:
//
//	now 600s
//	speed 63.2 at 590s
//	ignition false at 0s changed
//	dtcs [P0301 P0420] at 0s
//	vehicle.model 'A5'
//	service.count 3
//	engine-oil km 9500 days 200
func (s state) frame(env *Env) (*Frame, error) {
	f := env.NewFrame()
	for _, line := range s {
		name, rest, _ := strings.Cut(line, " ")
		var err error
		switch {
		case name == "now":
			f.Now, err = millis(rest)
		case strings.Contains(name, "."):
			err = setFact(env, f, name, rest)
		case strings.Contains(rest, "km ") || strings.Contains(rest, "days "):
			err = setItem(env, f, name, rest)
		default:
			err = setSample(env, f, name, rest)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
	}
	return f, nil
}

func millis(s string) (int64, error) {
	d, err := time.ParseDuration(s)
	return d.Milliseconds(), err
}

func setFact(env *Env, f *Frame, name, v string) error {
	i, ok := env.facts.number[name]
	if !ok {
		return nil // no condition has read it
	}
	switch {
	case v == "{}":
		f.Facts[i] = Fact{Kind: Other}
	case v == "true", v == "false":
		f.Facts[i] = Fact{Kind: Bool, Num: map[string]float64{"true": 1}[v]}
	case v[0] == '\'':
		f.Facts[i] = Fact{Kind: String, Str: []byte(strings.Trim(v, "'"))}
	default:
		n, err := strconv.ParseFloat(v, 64)
		f.Facts[i] = Fact{Kind: Number, Num: n}
		return err
	}
	return nil
}

func setItem(env *Env, f *Frame, name, v string) error {
	i, ok := env.items.number[name]
	if !ok {
		return nil
	}
	words := strings.Fields(v)
	for j := 0; j+1 < len(words); j += 2 {
		n, err := strconv.ParseFloat(words[j+1], 64)
		if err != nil {
			return err
		}
		switch words[j] {
		case "km":
			f.KMSince[i] = n
		case "days":
			f.DaysSince[i] = n
		}
	}
	return nil
}

func setSample(env *Env, f *Frame, name, rest string) error {
	slot, ok := env.slots[name]
	if !ok {
		return fmt.Errorf("no signal %q", name)
	}
	v, at, ok := strings.Cut(rest, " at ")
	if !ok {
		return fmt.Errorf("expected a value and a time")
	}
	at, changed, given := strings.Cut(at, " ")
	s := &f.Samples[slot]
	var err error
	if s.At, err = millis(at); err != nil {
		return err
	}
	s.Seen = true
	if given {
		s.Changed = Of(changed == "changed")
	}
	switch {
	case v[0] == '[':
		for _, code := range strings.Fields(strings.Trim(v, "[]")) {
			f.Sets[slot], _ = AppendCode(f.Sets[slot], code)
		}
	case v == "true" || v == "false":
		s.V = map[string]float64{"true": 1}[v]
	default:
		s.V, err = strconv.ParseFloat(v, 64)
	}
	return err
}
