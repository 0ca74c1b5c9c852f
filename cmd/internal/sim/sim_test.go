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

func TestRandom(t *testing.T) {
	cat := catalogue(t)
	from, n := 1, 30
	fmt.Sscan(os.Getenv("MILEPOST_SEEDS"), &n)
	fmt.Sscan(os.Getenv("MILEPOST_SEED"), &from)
	bad := 0
	for seed := from; seed < from+n; seed++ {
		s := Generate(uint64(seed))
		d, err := Compare(s, cat, Shards{1, 1}, false)
		if err != nil {
			t.Errorf("seed %d: %v\n%s", seed, err, s.Format())
			return
		}
		if d == nil {
			continue
		}
		t.Errorf("seed %d: %s", seed, d)
		if os.Getenv("SHRINK") != "" {
			small := Shrink(s, func(s *Scenario) bool {
				d, err := Compare(s, cat, Shards{1, 1}, false)
				return err == nil && d != nil
			})
			d, _ = Compare(small, cat, Shards{1, 1}, false)
			text := Show(small, d, cat)
			_ = os.WriteFile(fmt.Sprintf("/tmp/oracle/seed%d.txt", seed), []byte(text), 0o644)
			t.Errorf("%s", text)
		}
		if bad++; bad >= 6 {
			return
		}
	}
}
