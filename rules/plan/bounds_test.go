package plan

import (
	"fmt"
	"testing"
)

// What is kept of a vehicle is bounded, and what is let go no longer matters.
func TestBounds(t *testing.T) {
	s := &State{Core: &Core{}}
	at := storyTime(t, "2026-01-01")
	s.Observe(Odometer, Sample{Raw: Metres(90000), E: at, Now: at})
	service := func(days int64, km float64, item string) Filed {
		return s.AddService(Service{Time: at + days*dayMS, Now: at, KM: Told{Metres(km), true}, Items: []ItemKey{KeyOf(item), KeyOf(item)}})
	}

	t.Run("records of an item: the oldest are merged", func(t *testing.T) {
		service(-900, 10000, "oil")
		service(-800, 89000, "oil") // further than those after it
		service(-500, 30000, "oil")
		service(-400, 40000, "oil")
		service(-300, 50000, "oil")
		service(-950, 500, "oil")
		if len(s.Services) != MaxRecords {
			t.Fatalf("%d records, want %d", len(s.Services), MaxRecords)
		}
		best, _ := s.Baseline(KeyOf("oil"))
		greatest := int64(0)
		for _, r := range s.Services {
			greatest = max(greatest, r.KM)
		}
		if best.KM != Metres(50000) || greatest != Metres(89000) {
			t.Fatalf("baseline %d, greatest odometer %d", best.KM, greatest)
		}
	})
	t.Run("items with records", func(t *testing.T) {
		dropped := 0
		for i := range MaxItems + 3 {
			dropped += service(-1, 90000, fmt.Sprintf("item-%d", i)).Dropped
		}
		if dropped != 4 || len(s.Services) != MaxRecords+MaxItems-1 {
			t.Fatalf("%d dropped, %d records", dropped, len(s.Services))
		}
	})
	t.Run("states: those gone from the plan make room", func(t *testing.T) {
		for n := range 5 {
			p := &Plan{ID: "p"}
			for i := range MaxItems {
				p.Items = append(p.Items, Item{ID: fmt.Sprintf("plan-%d-%d", n, i), Every: every(10000, 0, 0)})
			}
			if problems := p.Resolve(); problems != nil {
				t.Fatal(problems)
			}
			s.Evaluate(p, Moment{Today: Zone{}.DayOf(at), InService: NoDay, Cause: CauseRules}, nil)
			if len(s.Items) > MaxStates {
				t.Fatalf("%d states, want at most %d", len(s.Items), MaxStates)
			}
		}
	})
	t.Run("offsets: older ones are summed up", func(t *testing.T) {
		for i := range int64(9) {
			s.AddService(Service{Time: at + i*dayMS, Now: at + i*dayMS, Reset: Reset{From: 1000, To: 0, Set: true}})
		}
		c := &s.Core.Odometer
		if c.Offset != 9000 || c.offsetAt(at+100*dayMS) != 9000 || c.offsetAt(at+7*dayMS) != 7000 {
			t.Fatalf("offset %d, after all %d, at the eighth %d", c.Offset, c.offsetAt(at+100*dayMS), c.offsetAt(at+7*dayMS))
		}
	})
}

func TestDayValue(t *testing.T) {
	for _, day := range []Day{0, -1, Civil(1900, 1, 1), Civil(2026, 1, 1), Civil(2999, 12, 31)} {
		for _, value := range []int64{0, 1, -1, maxKM, limit, -limit} {
			if v := dayValue(day, value); v.Day() != day || v.Value() != value {
				t.Errorf("%d on %d: got %d on %d", value, day, v.Value(), v.Day())
			}
		}
	}
}
