package sim

import (
	"path/filepath"
	"testing"
)

// TestFound keeps what the comparison found: scenarios on which engine and oracle agree, or that say how they differ.
func TestFound(t *testing.T) {
	names, err := filepath.Glob("testdata/found/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	cat := catalogue(t)
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			s := load(t, name)
			want, err := Oracle(s, cat)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := Engine(s, Shards{1, 1}, false)
			if err != nil {
				t.Fatal(err)
			}
			d := differ(got, want.Lines, true)
			switch {
			case d == nil && s.Differs != "":
				t.Errorf("%s: both agree now; take the setting differs out", name)
			case d != nil && s.Differs == "":
				t.Errorf("%s: %s", name, Show(s, d, cat))
			case d != nil:
				t.Skipf("known: %s\n%s", s.Differs, d)
			}
		})
	}
}
