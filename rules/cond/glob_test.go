package cond

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// naiveGlob is the definition of a glob, by recursion over characters.
func naiveGlob(pattern, name string) bool { return naiveMatch([]rune(pattern), []rune(name)) }

func naiveMatch(p, n []rune) bool {
	switch {
	case len(p) == 0:
		return len(n) == 0
	case p[0] == '*':
		return naiveMatch(p[1:], n) || len(n) > 0 && naiveMatch(p, n[1:])
	case len(n) == 0:
		return false
	default:
		return (p[0] == '?' || p[0] == n[0]) && naiveMatch(p[1:], n[1:])
	}
}

func TestGlob(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	word := func(alphabet string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteRune([]rune(alphabet)[r.IntN(len([]rune(alphabet)))])
		}
		return b.String()
	}
	matched := 0
	for range 200_000 {
		pattern, name := word("aab*?é日[", 1+r.IntN(7)), word("aabé日[", r.IntN(7))
		g, err := CompileGlob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		want := naiveGlob(pattern, name)
		if got := g.Match([]byte(name)); got != want {
			t.Fatalf("%q on %q: got %v, want %v", pattern, name, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 5_000 {
		t.Errorf("only %d matched: the test sees too little", matched)
	}
}

// TestGlobCountsCharacters: falling back to a * never lands inside a character.
func TestGlobCountsCharacters(t *testing.T) {
	for _, c := range []struct{ pattern, name string }{
		{"*??b*", "日bc"}, {"*??b*", "x日bc"}, {"?", "日"}, {"??", "日"}, {"*?", "日"},
	} {
		g, err := CompileGlob(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := g.Match([]byte(c.name)), naiveGlob(c.pattern, c.name); got != want {
			t.Errorf("%q on %q: got %v, want %v", c.pattern, c.name, got, want)
		}
	}
}

// TestGlobDoesNotBlowUp: a pattern that makes a naive matcher exponential.
func TestGlobDoesNotBlowUp(t *testing.T) {
	g, err := CompileGlob(strings.Repeat("*a", 31) + "*b")
	if err != nil {
		t.Fatal(err)
	}
	if g.Match([]byte(strings.Repeat("a", MaxCode))) {
		t.Error("matched")
	}
}

func TestCodes(t *testing.T) {
	var c Codes
	for _, code := range []string{"P0301", "x", strings.Repeat("y", MaxCode)} {
		var ok bool
		if c, ok = AppendCode(c, code); !ok {
			t.Fatalf("%q refused", code)
		}
	}
	for _, code := range []string{"", strings.Repeat("z", MaxCode+1)} {
		if _, ok := AppendCode(c, code); ok {
			t.Errorf("%d bytes accepted", len(code))
		}
	}
	if got := strings.Join(codesOf(c), " "); got != "P0301 x "+strings.Repeat("y", MaxCode) {
		t.Errorf("got %q", got)
	}
	if !c.Has([]byte("x")) || c.Has([]byte("P030")) {
		t.Error("Has is wrong")
	}
	// A set cut short by damage ends; it is never read beyond.
	for n := range len(c) {
		codesOf(c[:n])
	}
}
