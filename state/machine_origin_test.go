package state_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

const day = int64(24 * 3_600_000)

// S5: a request that is sent again within a day changes nothing; entries of one request are no duplicates
// of each other. So it is on both stages.
func TestRepeatedRequest(t *testing.T) {
	for _, stage := range []log.Stream{log.Events, log.Notices} {
		steps := 0
		step := &funcStep{apply: func(c *state.Context, _ *state.Input) {
			steps++
			c.AddRow(state.RowTimeline, c.Key(), nil)
		}}
		f := newFeeder(t, state.MachineOptions{Step: step, Stage: stage})
		entry := func(origin string, seq uint64, at int64, want state.Outcome) {
			t.Helper()
			before, calls := f.m.Outcomes(), steps
			f.apply(log.Record{Kind: log.Event, Key: []byte("k"), Arrival: at, Origin: []byte(origin), Seq: seq})
			before[want]++
			if got := f.m.Outcomes(); got != before {
				t.Errorf("%s: %q %d at %d: outcomes %v, expected %v", stage, origin, seq, at, got, before)
			}
			if taken := want == state.Applied; taken != (steps > calls) || taken != (len(f.m.RowOps()) > 0) {
				t.Errorf("%s: %q %d at %d: %d calls, %d rows", stage, origin, seq, at, steps-calls, len(f.m.RowOps()))
			}
		}
		const t0 = 1_700_000_000_000
		entry("a", 7, t0, state.Applied)
		entry("a", 7, t0, state.Applied)
		entry("a", 3, t0+1, state.Duplicate) // a lower number says nothing
		entry("b", 3, t0+1, state.Applied)
		entry("a", 9, t0+day, state.Duplicate)
		entry("", 9, t0+day, state.Applied)
		entry("", 8, t0+day, state.Applied)
		entry("a", 9, t0+day+1, state.Applied) // a day and more: as new
		entry("a", 7, t0+day+2, state.Duplicate)
	}
}

// The memory is bounded: the oldest request goes first, and that is counted.
func TestRequestsBounded(t *testing.T) {
	step := &funcStep{apply: func(*state.Context, *state.Input) {}}
	store, err := state.OpenStore(state.StoreOptions{Dir: "/s", FS: vfs.NewMem(), Cache: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f := newFeeder(t, state.MachineOptions{Step: step, Stage: log.Events, Backing: store})
	state.SetMaxOriginsForTest(f.m, 10)
	send := func(n int, seq uint64, at int64) {
		f.apply(log.Record{Kind: log.Event, Key: []byte("k"), Arrival: at, Origin: fmt.Append(nil, n), Seq: seq})
	}
	for i := range 100 {
		send(i, 1, 1000)
	}
	send(89, 2, 1000) // forgotten
	send(91, 2, 1000)
	if o := f.m.Outcomes(); o != [4]uint64{101, 1, 0, 0} {
		t.Errorf("outcomes %v", o)
	}
	early := int64(0)
	f.m.Counters(func(name, label string, n int64) {
		if name == "origins" && label == "forgotten_early" {
			early = n
		}
	})
	if early != 91 {
		t.Errorf("%d counted as forgotten early, expected 91", early)
	}
	if n := originRows(t, f.m); n != 10 {
		t.Errorf("%d rows of 10 requests", n)
	}
	for i := range 2 { // what is over a day old goes with what comes
		send(1000+i, 1, 1001+day)
	}
	if n := originRows(t, f.m); n != 2 {
		t.Errorf("%d rows of 2 requests, a day later", n)
	}
}

func originRows(t *testing.T, m *state.Machine) (n int) {
	t.Helper()
	if err := m.Rows('i', "", func(string, []byte) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}
