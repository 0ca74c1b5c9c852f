package sim

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the oracle says into the cases; review the difference")

// TestCases runs a named case per rule: what must come stands in the file, the oracle says it, and so does the engine.
func TestCases(t *testing.T) {
	names, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	cat := catalogue(t)
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) { runCase(t, name, cat) })
	}
}

func runCase(t *testing.T, name string, cat []byte) {
	s := load(t, name)
	res, err := Oracle(s, cat)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range res.Lines {
		got = append(got, Brief(l))
	}
	if *rewrite {
		expect(t, name, got)
		return
	}
	if !slices.Equal(got, s.Expect) {
		t.Errorf("%s: the oracle says\n%s\nexpected\n%s\nfates\n%s", name, strings.Join(got, "\n"), strings.Join(s.Expect, "\n"), strings.Join(res.Fates, "\n"))
	}
	if s.Outcomes != "" && outcomes(res.Outcomes) != s.Outcomes {
		t.Errorf("%s: applied, duplicate, late, quarantined: the oracle says %s, expected %s\n%s", name, outcomes(res.Outcomes), s.Outcomes, strings.Join(res.Fates, "\n"))
	}
	for _, n := range []Shards{{1, 1}, {2, 1}, {4, 4}} {
		d, err := Compare(s, cat, n, n.Events == 4)
		if err != nil {
			t.Fatal(err)
		}
		if d != nil {
			t.Errorf("%s, %d and %d shards: %s", name, n.Events, n.Notices, Show(s, d, cat))
			return
		}
	}
}

func load(t *testing.T, name string) *Scenario {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(name, string(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func expect(t *testing.T, name string, lines []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "-- expect --\n")
	if err := os.WriteFile(name, []byte(head+"-- expect --\n"+strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func catalogue(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../../ingest/signals.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}
