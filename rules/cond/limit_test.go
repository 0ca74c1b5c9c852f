package cond

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
)

// tooBig reports whether a condition was refused for a bound of its size.
func tooBig(err error) bool {
	for _, s := range []string{"nested deeper", "more than", "costs", "bytes long"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// hostile are texts meant to blow up a parser.
var hostile = map[string]string{
	"a megabyte of parentheses": strings.Repeat("(", 1<<20),
	"parentheses":               strings.Repeat("(", MaxLength),
	"balanced parentheses":      strings.Repeat("(", MaxLength/2-2) + "mil" + strings.Repeat(")", MaxLength/2-2),
	"brackets":                  strings.Repeat("[", MaxLength),
	"braces":                    strings.Repeat("{", MaxLength),
	"calls":                     strings.Repeat("known(", MaxLength/6),
	"nots":                      strings.Repeat("!", MaxLength-3) + "mil",
	"minuses":                   strings.Repeat("-", MaxLength-8) + "soc > 1",
	"mixed unary":               strings.Repeat("!-", MaxLength/2-2) + "mil",
	"members":                   "vehicle" + strings.Repeat(".a", MaxLength/2-8),
	"choices":                   strings.Repeat("mil?mil:", MaxLength/8),
	"choices to the left":       strings.Repeat("mil?", MaxLength/4),
	"sums":                      strings.Repeat("1+", MaxLength/2-4) + "soc>1",
	"strings":                   strings.Repeat(`"`, MaxLength),
	"escapes":                   `vehicle.a == "` + strings.Repeat(`\`, MaxLength-20),
	"ands":                      strings.Repeat("mil&&", MaxLength/5-4) + "mil",
	"garbage":                   strings.Repeat("@ ", MaxLength/2),
	"no UTF-8":                  strings.Repeat("\xff", MaxLength),
	"globs":                     "dtc('*')" + strings.Repeat("&&dtc('*')", 100),
	"list":                      "soc in [" + strings.Repeat("1,", 600) + "1]",
	"zero bytes":                strings.Repeat("\x00", MaxLength),
}

// TestHostile: each is refused, for little memory (and so little time); pairs of signs cancel out, so that
// two of them are conditions.
func TestHostile(t *testing.T) {
	env := newTestEnv(t)
	for name, src := range hostile {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Compile(env, src)
		runtime.ReadMemStats(&after)
		if err == nil && name != "nots" && name != "minuses" {
			t.Errorf("%s: accepted", name)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: allocated %d KiB", name, used>>10)
		}
		checkPlace(t, src, err)
	}
}

// TestBounds: what is at a bound is accepted, what is over it refused.
func TestBounds(t *testing.T) {
	env := newTestEnv(t)
	for _, c := range []struct {
		name, src string
		ok        bool
	}{
		{"nested to the bound", strings.Repeat("(", MaxDepth) + "mil" + strings.Repeat(")", MaxDepth), true},
		{"nested over it", strings.Repeat("(", MaxDepth+1) + "mil" + strings.Repeat(")", MaxDepth+1), false},
		{"a long chain", strings.Repeat("mil && ", 249) + "mil", true},
		{"parts over the bound", strings.Repeat("mil && ", 250) + "mil", false},
		{"length to the bound", "mil" + strings.Repeat(" ", MaxLength-3), true},
		{"length over it", "mil" + strings.Repeat(" ", MaxLength-2), false},
		{"cost to the bound", strings.Repeat("dtc('*') || ", 62) + "mil", true},
		{"cost over it", strings.Repeat("dtc('*') || ", 63) + "mil", false},
	} {
		_, err := Compile(env, c.src)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && !tooBig(err) {
			t.Errorf("%s: refused for another reason: %v", c.name, err)
		}
	}
}

// checkPlace checks that an error points into its text.
func checkPlace(t *testing.T, src string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("%.80q: %v is no *Error", src, err)
		return
	}
	lines := strings.Split(src, "\n")
	if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > utf8.RuneCountInString(lines[e.Line-1])+1 {
		t.Errorf("%.80q: no such place: %v", src, e)
	}
	if e.Msg == "" {
		t.Errorf("%.80q: no message", src)
	}
}

// FuzzCompile: any text is refused with a place in it or gives a condition that runs, whatever is known.
func FuzzCompile(f *testing.F) {
	for _, src := range hostile {
		if len(src) <= MaxLength {
			f.Add(src)
		}
	}
	g := newGenerator(fromRand(rand.New(rand.NewPCG(1, 3))))
	for range 50 {
		f.Add(g.condition(3).ours)
	}
	f.Fuzz(func(t *testing.T, src string) {
		env := newTestEnv(t)
		c, err := Compile(env, src)
		if err != nil {
			checkPlace(t, src, err)
			checkBackstop(t, env, src)
			return
		}
		c.Eval(env.NewFrame())
		c.Eval(newGenerator(fromBytes(nil)).knownFrame(env))
		if c.Cost() > MaxCost || c.Meaning() == "" {
			t.Errorf("%s: cost %d, meaning %q", src, c.Cost(), c.Meaning())
		}
	})
}

// checkBackstop checks that the binder refuses all that is not CEL, so that cel-go's own words about types,
// which know nothing of signals, are never needed.
func checkBackstop(t *testing.T, env *Env, src string) {
	t.Helper()
	tree, err := env.lang.parse(src)
	if err != nil {
		return
	}
	if _, _, err := bind(env, tree, src); err != nil {
		return
	}
	if err := env.lang.check(tree, src); err != nil {
		t.Errorf("%s: bound, but no CEL: %v", src, err)
	}
}
