package cond

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestKleene checks the connectives against written-out tables (S10): T true, F false, U unknown; rows by
// the left operand, columns by the right one, both in the order T F U.
func TestKleene(t *testing.T) {
	tables := map[string]string{
		"ignition && charging":                             "TFU FFF UFU",
		"ignition || charging":                             "TTT TFU TUU",
		"ignition == charging":                             "TFU FTU UUU",
		"ignition != charging":                             "FTU TFU UUU",
		"!(ignition && charging)":                          "FTU TTT UTU",
		"!ignition || !charging":                           "FTU TTT UTU",
		"ignition ? charging : mil":                        "TFU TTT UUU", // mil is true
		"ignition ? mil : charging":                        "TTT TFU UUU",
		"mil && ignition && charging":                      "TFU FFF UFU",
		"ignition && charging && mil":                      "TFU FFF UFU",
		"!mil || ignition || charging":                     "TTT TFU TUU",
		"ignition || charging || !mil":                     "TTT TFU TUU",
		"mil && (ignition && charging)":                    "TFU FFF UFU",
		"(ignition ? 1 : 2) == (charging ? 1 : 2)":         "TFU FTU UUU",
		"(ignition ? 'a' : 'b') == (charging ? 'a':'b')":   "TFU FTU UUU",
		"(ignition ? 1 : 2) >= (charging ? 1 : 2)":         "TFU TTU UUU",
		"(ignition ? 'a' : 'b') <= (charging ? 'a':'b')":   "TTU FTU UUU",
		"(ignition ? 1 : 0) + (charging ? 1 : 0) > 0":      "TTU TFU UUU",
		"known(ignition) && known(charging)":               "TTF TTF FFF",
		"(ignition ? 1 : 2) in [1] && mil == charging":     "TFU FFF UFU",
		"(ignition ? 'a' : 'b') in ['a'] || mil!=charging": "TTT FTU UTU",
	}
	for src, want := range tables {
		env := newTestEnv(t)
		c := mustCompile(t, env, src)
		f := env.NewFrame()
		set := func(name string, v Tri) {
			f.Samples[env.slots[name]] = Sample{V: float64(v+1) / 2, Seen: v != Unknown}
		}
		set("mil", True)
		var got strings.Builder
		for _, a := range []Tri{True, False, Unknown} {
			set("ignition", a)
			for _, b := range []Tri{True, False, Unknown} {
				set("charging", b)
				got.WriteString(strings.ToUpper(c.Eval(f).String()[:1]))
			}
			got.WriteByte(' ')
		}
		if g := strings.TrimSpace(got.String()); g != want {
			t.Errorf("%s: got %s, want %s", src, g, want)
		}
	}
}

// TestComparisons checks every operator on every order of known and unknown numbers, in every shape that
// is lowered on its own: a signal beside a literal, a literal beside a signal, an expression beside a
// literal, and two expressions.
func TestComparisons(t *testing.T) {
	want := map[string]string{ // below, equal, above, unknown
		"==": "FTFU", "!=": "TFTU", "<": "TFFU", "<=": "TTFU", ">": "FFTU", ">=": "FTTU",
	}
	shapes := []string{"speed %s 5", "speed + 0 %s 5", "speed %s soc", "-(-speed) %s soc + 0"}
	for sign, row := range want {
		for _, shape := range shapes {
			checkComparison(t, fmt.Sprintf(shape, sign), row)
		}
		checkComparison(t, fmt.Sprintf("5 %s speed", mirror(sign)), row)
		checkComparison(t, fmt.Sprintf("soc %s speed", mirror(sign)), row)
	}
}

func mirror(sign string) string {
	return strings.NewReplacer("<", ">", ">", "<").Replace(sign)
}

func checkComparison(t *testing.T, src, want string) {
	t.Helper()
	env := newTestEnv(t)
	c := mustCompile(t, env, src)
	f := env.NewFrame()
	f.Samples[env.slots["soc"]] = Sample{V: 5, Seen: true}
	got := ""
	for _, v := range []float64{4.5, 5, 6, math.NaN()} {
		f.Samples[env.slots["speed"]] = Sample{V: v, Seen: v == v}
		if v != v {
			f.Samples[env.slots["speed"]].V = 5 // unknown whatever the slot holds
		}
		got += strings.ToUpper(c.Eval(f).String()[:1])
	}
	if got != want {
		t.Errorf("%s: got %s, want %s", src, got, want)
	}
}
