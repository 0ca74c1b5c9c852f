package sim

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var scenario = flag.String("scenario", "", "a scenario file to run through both sides and show, with TestScenario -v")

// TestScenario shows what both sides make of one file: go test -run TestScenario -v -scenario FILE.
func TestScenario(t *testing.T) {
	if *scenario == "" {
		t.Skip("no -scenario")
	}
	cat := catalogue(t)
	s := load(t, *scenario)
	d, err := Compare(s, cat, Shards{1, 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	if d == nil {
		d = &Difference{What: "no difference"}
	}
	t.Log(Show(s, d, cat))
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
