package state_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// S5: of a source whose Seq rises, what lies at or below the highest that was applied is a redelivery,
// however old; each origin has its own. So it is on both stages.
func TestRedelivery(t *testing.T) {
	for _, stage := range []log.Stream{log.Events, log.Notices} {
		steps := 0
		f := newFeeder(t, state.MachineOptions{Step: &funcStep{apply: func(*state.Context, *state.Input) { steps++ }}, Stage: stage})
		entry := func(origin string, seq uint64, at int64, want state.Outcome) {
			t.Helper()
			before, calls := f.m.Outcomes(), steps
			f.apply(log.Record{Kind: log.Event, Key: []byte("k"), Arrival: at, Origin: []byte(origin), Seq: seq, Rising: true})
			before[want]++
			if got := f.m.Outcomes(); got != before || (want == state.Applied) != (steps > calls) {
				t.Errorf("%s: %q %d: outcomes %v, expected %v; %d calls", stage, origin, seq, got, before, steps-calls)
			}
		}
		const t0 = 1_700_000_000_000
		entry("a/0", 0, t0, state.Applied) // the first offset is a number like any other
		entry("a/0", 0, t0, state.Duplicate)
		entry("a/0", 7<<16, t0, state.Applied)
		entry("a/0", 7<<16|1, t0, state.Applied) // the next entry of the same message
		entry("a/0", 7<<16, t0+1, state.Duplicate)
		entry("a/0", 3<<16, t0+1, state.Duplicate)
		entry("a/1", 3<<16, t0+1, state.Applied)
		entry("", 3<<16, t0+1, state.Applied)
		entry("", 3<<16, t0+1, state.Applied)
		entry("a/0", 7<<16|1, t0+400*day, state.Duplicate)
		entry("a/0", 1<<63, t0+400*day, state.Applied)
	}
}

// Source positions are no input, only move on, and stand with the position: so does what was applied.
func TestSourcePositions(t *testing.T) {
	fs := vfs.NewMem()
	step := &funcStep{apply: func(*state.Context, *state.Input) {}}
	recs := []log.Record{
		{Kind: log.Event, Key: []byte("k"), Arrival: 5, Origin: []byte("b/1"), Seq: 41, Rising: true},
		{Kind: log.SourcePosition, Arrival: 6, Origin: []byte("b/1"), Seq: 42, Rising: true},
		{Kind: log.SourcePosition, Arrival: 7, Origin: []byte("a\xff/0"), Seq: 9, Rising: true},
		{Kind: log.SourcePosition, Arrival: 8, Origin: []byte("b/1"), Seq: 40, Rising: true},
	}
	store := openStoreOn(t, fs)
	m, err := state.NewMachine(state.MachineOptions{Step: step, Stage: log.Events, Backing: store})
	if err != nil {
		t.Fatal(err)
	}
	saver := state.NewSaverForTest(m, store)
	for i := range recs {
		if err := m.Apply(log.Offset(i), &recs[i]); err != nil {
			t.Fatal(err)
		}
	}
	for !saved(store) {
		saver.Step(100)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	offline, err := state.OpenOffline(state.StoreOptions{Dir: "/s", FS: fs, Cache: 1 << 20}, state.MachineOptions{Step: step, Stage: log.Events})
	if err != nil {
		t.Fatal(err)
	}
	defer offline.Close()
	want := []state.SourcePosition{{Origin: []byte("a\xff/0"), Next: 9}, {Origin: []byte("b/1"), Next: 42}}
	if got := offline.SourcePositions(); !reflect.DeepEqual(got, want) {
		t.Errorf("positions %v, expected %v", got, want)
	}
	if err := offline.Apply(4, &recs[0]); err != nil {
		t.Fatal(err)
	}
	if o := offline.Outcomes(); o != [4]uint64{1, 1, 0, 0} || offline.Clock() != 8 {
		t.Errorf("outcomes %v at %d, expected one applied and one duplicate at 8", o, offline.Clock())
	}
}

func openStoreOn(t *testing.T, fs vfs.FS) *state.Store {
	t.Helper()
	s, err := state.OpenStore(state.StoreOptions{Dir: "/s", FS: fs, Cache: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// saved reports whether the store has a position.
func saved(s *state.Store) bool {
	_, ok, err := s.Get(nil, []byte("p/"))
	return ok && err == nil
}

// source is a topic's partition as it is read by one who forgets at any time what he has taken, and then
// begins again at any earlier offset.
type source struct {
	messages [][]log.Record
	taken    int // below it all were appended
}

func newSource(rng *rand.Rand, origin string, shards int) *source {
	s := &source{}
	for i := range 300 {
		var m []log.Record
		for j := range 1 + rng.IntN(3) {
			key := fmt.Appendf(nil, "k%d", rng.IntN(20))
			m = append(m, log.Record{
				Kind: log.Event, Key: key, Origin: []byte(origin), Seq: uint64(i)<<16 | uint64(j), Rising: true,
				Arrival: int64(log.ShardOf(key, shards)), Payload: fmt.Appendf(nil, "%s %d %d", origin, i, j),
			})
		}
		s.messages = append(s.messages, m)
	}
	return s
}

// With redeliveries from any earlier offset, and with crashes that leave each shard another part of what
// was appended, every shard holds what it would hold without.
func TestRedeliveryFromAnyOffset(t *testing.T) {
	const shards = 3
	for seed := range seeds(t, 10) {
		rng := rand.New(rand.NewPCG(uint64(seed), 11))
		sources := []*source{newSource(rng, "a/0", shards), newSource(rng, "a/1", shards)}
		logs := make([][]log.Record, shards)
		troubles := 40
		for sources[0].taken < len(sources[0].messages) || sources[1].taken < len(sources[1].messages) {
			s := sources[rng.IntN(len(sources))]
			if troubles > 0 && rng.IntN(5) == 0 {
				troubles--
				if rng.IntN(2) == 0 { // a crash: each shard keeps a beginning of whole appends
					for i := range logs {
						logs[i] = cutAppends(rng, logs[i])
					}
					for _, s := range sources {
						s.taken = resume(s, logs)
					}
				}
				s.taken = rng.IntN(s.taken + 1)
			}
			for n := 1 + rng.IntN(5); n > 0 && s.taken < len(s.messages); n-- {
				for _, rec := range s.messages[s.taken] {
					shard := rec.Arrival
					logs[shard] = append(logs[shard], rec)
				}
				s.taken++
			}
		}
		for i, recs := range logs {
			var want, got []string
			for _, s := range sources {
				for _, m := range s.messages {
					for _, rec := range m {
						if rec.Arrival == int64(i) {
							want = append(want, string(rec.Payload))
						}
					}
				}
			}
			f := newFeeder(t, state.MachineOptions{Stage: log.Events, Step: &funcStep{apply: func(_ *state.Context, in *state.Input) { got = append(got, string(in.Payload)) }}})
			for _, rec := range recs {
				f.apply(rec)
			}
			if !sameWithin(got, want) {
				t.Fatalf("seed %d: shard %d took %d of %d records, or out of order", seed, i, len(got), len(want))
			}
			if o := f.m.Outcomes(); int(o[state.Applied]+o[state.Duplicate]) != len(recs) {
				t.Errorf("seed %d: outcomes %v of %d (E5)", seed, o, len(recs))
			}
		}
	}
}

// resume is where a source goes on: at a place below which all is in the logs.
func resume(s *source, logs [][]log.Record) int {
	have := map[string]bool{}
	for _, recs := range logs {
		for _, rec := range recs {
			have[string(rec.Payload)] = true
		}
	}
	for i, m := range s.messages[:s.taken] {
		for _, rec := range m {
			if !have[string(rec.Payload)] {
				return i
			}
		}
	}
	return s.taken
}

// cutAppends loses the end of a log; the entries of one message are one append.
func cutAppends(rng *rand.Rand, recs []log.Record) []log.Record {
	n := max(0, len(recs)-rng.IntN(12))
	for n > 0 && n < len(recs) && string(recs[n].Origin) == string(recs[n-1].Origin) && recs[n].Seq>>16 == recs[n-1].Seq>>16 && recs[n].Seq > recs[n-1].Seq {
		n--
	}
	return recs[:n]
}

// sameWithin reports whether got has each of want once, those of one origin in order.
func sameWithin(got, want []string) bool {
	rest := map[string][]string{}
	for _, w := range want {
		rest[w[:3]] = append(rest[w[:3]], w)
	}
	for _, g := range got {
		if q := rest[g[:3]]; len(q) == 0 || q[0] != g {
			return false
		}
		rest[g[:3]] = rest[g[:3]][1:]
	}
	for _, q := range rest {
		if len(q) > 0 {
			return false
		}
	}
	return true
}
