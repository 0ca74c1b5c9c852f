package sim

import (
	"fmt"
	"os"
	"testing"

	"github.com/milepost-io/milepost/cmd/internal/sim/oracle"
)

func TestPeek(t *testing.T) {
	name := os.Getenv("PEEK")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Skip(err)
	}
	s, err := Parse(name, string(text))
	if err != nil {
		t.Fatal(err)
	}
	lines, out, err := Engine(s, Shards{1, 1}, false)
	fmt.Println(out, err)
	for _, l := range lines {
		fmt.Println("E", Brief(l), l.ID, l.Alert, l.Joined)
	}
	cat, _ := os.ReadFile("../../../ingest/signals.yaml")
	res, err := oracle.Run(oracle.Input{Files: s.Files, Catalogue: cat, Zone: s.Zone, Lines: s.Lines, Until: s.Until, Reloads: s.Reloads})
	fmt.Println(res.Outcomes, err)
	for _, l := range res.Lines {
		fmt.Println("O", Brief(l), l.ID, l.Joined)
	}
}

// TestRandom compares hostile scenarios from seeds, on 1, 2 and 4 machines of each stage.
func TestRandom(t *testing.T) {
	cat := catalogue(t)
	from, n := 1, 40
	fmt.Sscan(os.Getenv("MILEPOST_SEED"), &from)
	fmt.Sscan(os.Getenv("MILEPOST_SEEDS"), &n)
	bad := 0
	for seed := from; seed < from+n && bad < 5; seed++ {
		s := Generate(uint64(seed))
		for _, shards := range []Shards{{1, 1}, {2, 4}, {4, 2}} {
			compare := func(s *Scenario) (*Difference, error) { return Compare(s, cat, shards, shards.Events == 2) }
			d, err := compare(s)
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, s.Format())
			}
			if d == nil {
				continue
			}
			small := Shrink(s, func(s *Scenario) bool { d, err := compare(s); return err == nil && d != nil })
			if d, err = compare(small); err != nil {
				t.Fatal(err)
			}
			t.Errorf("seed %d, %+v: %s", seed, shards, Show(small, d, cat))
			bad++
			break
		}
	}
}
