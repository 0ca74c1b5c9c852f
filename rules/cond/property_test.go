package cond

import (
	"slices"
	"strings"
	"testing"
)

// TestReads: the reads are what the index from signals to rules is built of (S11).
func TestReads(t *testing.T) {
	for _, c := range []struct {
		src, signals, facts, km, days string
		hourly                        bool
	}{
		{"speed > 5 && ignition || speed < 1", "speed ignition", "", "", "", false},
		{"true || soc > 5", "soc", "", "", "", false},
		{"age(speed) > 5", "speed", "", "", "", true},
		{"changed(mil) || known(soc)", "soc mil", "", "", "", false},
		{"dtc('P0*')", "dtcs", "", "", "", false},
		{"'x' in alarms", "alarms", "", "", "", false},
		{"km_since('engine-oil') > 5", "odometer", "", "engine-oil", "", false},
		{"days_since('engine-oil') > 5", "", "", "", "engine-oil", true},
		{"known(days_since('brake-fluid'))", "", "", "", "brake-fluid", true},
		{"has(vehicle.a.b) && vehicle.a.b > vehicle.c", "", "vehicle.a.b vehicle.c", "", "", false},
		{"service.count > 1 && odometer - service.last_km > 5", "odometer", "service.count service.last_km", "", "", false},
	} {
		env := newTestEnv(t)
		cond := mustCompile(t, env, c.src)
		names := func(indices []int, of func(int) string) string {
			out := []string{}
			for _, i := range indices {
				out = append(out, of(i))
			}
			return strings.Join(out, " ")
		}
		signals := names(cond.Signals(), func(i int) string { return testSignals[i].Name })
		facts := names(cond.Facts(), func(i int) string { return env.Facts()[i] })
		item := func(i int) string { return env.Items()[i] }
		km, days := names(cond.KMOf(), item), names(cond.DaysOf(), item)
		if signals != c.signals || facts != c.facts || km != c.km || days != c.days || cond.Hourly() != c.hourly {
			t.Errorf("%s: signals %q facts %q km of %q days of %q hourly %v", c.src, signals, facts, km, days, cond.Hourly())
		}
	}
}

// TestIndicesAreShared: conditions of one environment share facts and items.
func TestIndicesAreShared(t *testing.T) {
	env := newTestEnv(t)
	mustCompile(t, env, "vehicle.a == 1 && km_since('engine-oil') > 5")
	c := mustCompile(t, env, "vehicle.b == 1 && vehicle.a == 1 && days_since('engine-oil') > 5")
	if !slices.Equal(env.Facts(), []string{"vehicle.a", "vehicle.b"}) || !slices.Equal(c.Facts(), []int{0, 1}) {
		t.Errorf("facts %v, read %v", env.Facts(), c.Facts())
	}
	if !slices.Equal(env.Items(), []string{"engine-oil"}) || !slices.Equal(c.DaysOf(), []int{0}) {
		t.Errorf("items %v, read %v", env.Items(), c.DaysOf())
	}
}

// TestMeaning: rule memory survives an edit iff the meaning is equal (S48), so the form may never change.
func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		want string
		same []string
	}{
		{"(&& (> coolant_temp 115) (> speed 5))", []string{
			"coolant_temp > 115 && speed > 5", "coolant_temp>115.0&&(speed>5e0)",
			"// too hot\n((coolant_temp) > 115) &&\n  speed > 5", "coolant_temp > 100 + 15 && speed > 10/2",
		}},
		{`(== vehicle.model "A5\u53d1\"")`, []string{`vehicle.model == 'A5发"'`, `vehicle.model=="A5\u53d1\""`}},
		{"(&& mil ignition charging)", []string{
			"mil && ignition && charging", "mil && (ignition && charging)", "(mil && ignition) && charging",
		}},
		{"(> (- odometer service.last_km) 9500.5)", []string{"odometer - service.last_km > 9500.5"}},
		{`(&& (! (dtc "P03*")) (in vehicle.model "A" "B") (in-set "P0301" dtcs))`, []string{
			`!dtc('P03*') && vehicle.model in ['A', 'B'] && 'P0301' in dtcs`,
		}},
		{`(|| (> (age speed) 3600) (changed soc) (known mil) (has vehicle.x) (> (neg (km_since "engine-oil")) (days_since "engine-oil")))`,
			[]string{`age(speed) > 60*60 || changed(soc) || known(mil) || has(vehicle.x) || -km_since("engine-oil") > days_since('engine-oil')`}},
		{`(== (? mil -1 2) (/ (* soc 3) speed))`, []string{`(mil ? -1 : 2) == soc * 3 / speed`}},
		{`(startsWith vehicle.model "A")`, []string{`vehicle.model.startsWith("A")`}},
	} {
		for _, src := range c.same {
			if got := mustCompile(t, newTestEnv(t), src).Meaning(); got != c.want {
				t.Errorf("%s\ngot  %s\nwant %s", src, got, c.want)
			}
		}
	}
}

func TestMeaningsDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, src := range []string{
		"speed > 5", "speed >= 5", "speed > 5.5", "soc > 5", "mil && speed > 5", "mil || speed > 5",
		"soc - (speed - 5) > 0", "soc - speed - 5 > 0", "vehicle.a == '5'", "vehicle.a == 5", "vehicle.a.b == 5",
		"has(vehicle.a)", "known(vehicle.a)", "'a' in dtcs", "'a' in alarms", "dtc('a')", "vehicle.a in ['a b']",
		"vehicle.a in ['a', 'b']", "km_since('engine-oil') > 5", "days_since('engine-oil') > 5", "5 > speed",
		"vehicle.a.startsWith('x')", "vehicle.a.endsWith('x')", "mil ? ignition : charging", "true", "false",
	} {
		m := mustCompile(t, newTestEnv(t), src).Meaning()
		if other, ok := seen[m]; ok {
			t.Errorf("%s and %s both mean %s", src, other, m)
		}
		seen[m] = src
	}
}

func TestNewEnvRefuses(t *testing.T) {
	for name, signals := range map[string][]Signal{
		"empty":      {{Name: ""}},
		"identifier": {{Name: "tire-pressure"}},
		"digit":      {{Name: "12v"}},
		"reserved":   {{Name: "in"}},
		"root":       {{Name: "vehicle"}},
		"twice":      {{Name: "speed"}, {Name: "speed"}},
		"hold":       {{Name: "speed", HoldMS: -1}},
		"kind":       {{Name: "speed", Kind: 7}},
	} {
		if _, err := NewEnv(signals, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestWithoutItems: without a list of items, any may be named, and dtc needs a catalogue that has dtcs.
func TestWithoutItems(t *testing.T) {
	env, err := NewEnv([]Signal{{Name: "speed"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := mustCompile(t, env, "km_since('anything') > 5"); len(c.Signals()) != 0 {
		t.Errorf("reads %v without an odometer", c.Signals())
	}
	if _, err := Compile(env, "dtc('P*')"); err == nil {
		t.Error("dtc without dtcs was accepted")
	}
}
