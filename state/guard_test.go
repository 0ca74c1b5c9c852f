package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// E17: three deaths in a row in one call condemn it; deaths elsewhere, before the marks and after a call
// was come through do not.
func TestGuardCounts(t *testing.T) {
	p := log.Partition{Stream: log.Notices, Shard: 3}
	x, y := state.Call{Record: 70, N: 2}, state.Call{Record: 70, N: 1}
	// A life makes calls and dies in the last one, or after it.
	type life struct {
		calls  []state.Call
		inside bool
	}
	in := func(calls ...state.Call) life { return life{calls, true} }
	out := func(calls ...state.Call) life { return life{calls, false} }
	cases := []struct {
		name  string
		lives []life
		want  []state.Call
	}{
		{"three in a row", []life{in(y, x), in(y, x), in(y, x)}, []state.Call{x}},
		{"two", []life{in(x), in(x)}, nil},
		{"another between", []life{in(x), in(x), in(y), in(x)}, nil},
		{"killed outside between", []life{in(x), out(), in(x), out(y), in(x)}, []state.Call{x}},
		{"come through between", []life{in(x), in(x), out(x), in(x)}, nil},
		{"come through, then killed elsewhere", []life{in(x), in(x), in(x, y), in(x), in(x)}, nil},
		{"never inside", []life{out(x), out(x), out(x), out(x)}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fs := vfs.NewMem()
			open := func() *state.Guard {
				g, err := state.OpenGuard(fs, "/", log.ID{1})
				if err != nil {
					t.Fatal(err)
				}
				return g
			}
			if state.GuardMarksForTest(open()) {
				t.Error("the first start marks its calls")
			}
			for _, l := range c.lives {
				g := open()
				for i, call := range l.calls {
					state.GuardCallForTest(g, p, call, l.inside && i == len(l.calls)-1)
				}
				if err := g.Close(); err != nil { // its end; a mark that stands is left
					t.Fatal(err)
				}
			}
			if got := open().Condemned(p); !slices.Equal(got, c.want) {
				t.Errorf("condemned %v, expected %v", got, c.want)
			}
			if other, err := state.ReadGuard(fs, "/", log.ID{2}); err != nil || len(other.Condemned(p)) > 0 {
				t.Errorf("of another log: %v, %v", other.Condemned(p), err)
			}
		})
	}
}

// A mark that was on disk is counted once, however often the power fails at the starts that follow (E17).
func TestGuardCountsAMarkOnce(t *testing.T) {
	p, x := log.Partition{Stream: log.Events}, state.Call{Record: 7}
	fs := vfs.NewCrashableMem()
	open := func() *state.Guard {
		g, err := state.OpenGuard(fs, "/", log.ID{1})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	open()
	g := open()
	state.GuardCallForTest(g, p, x, true)
	for _, name := range []string{"/replay.at", "/"} { // the kernel writes back what it has
		f, err := fs.OpenDir(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		fs = fs.CrashClone(vfs.CrashCloneCfg{})
		g = open()
	}
	if got := g.Condemned(p); len(got) > 0 {
		t.Errorf("one death condemned %v", got)
	}
}

// poison is a step that ends the process, as no recover can prevent, when it handles the word.
func poison(word string) *funcStep {
	die := func(on bool) {
		if on {
			_ = overflow(1)
		}
	}
	return &funcStep{
		apply: func(c *state.Context, in *state.Input) {
			die(word == string(in.Payload))
			add(c.Resize(nil, 8), 1)
			if string(in.Payload) == "arm" {
				c.WakeAt(nil, in.At+1)
			}
		},
		wake: func(c *state.Context) { die(word == "timer") },
	}
}

func overflow(n int) int { return overflow(n+1) + n } //nolint:staticcheck // it is meant not to end

const poisonDir = "MILEPOST_TEST_POISON_DIR"

// poisonReport is what a child that lives to the end found.
type poisonReport struct {
	Inputs   int
	Outcomes [4]uint64
	Letters  []state.DeadLetter
}

// TestPoisonChild is a process of TestPoison; it does nothing by itself.
func TestPoisonChild(t *testing.T) {
	dir := os.Getenv(poisonDir)
	if dir == "" {
		t.Skip("a child of TestPoison")
	}
	debug.SetMaxStack(1 << 20)
	const now = 1_700_000_000_000
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), Shards: journal.Shards{Events: 1, Notices: 1}, Keep: time.Hour})
	must(err)
	guard, err := state.OpenGuard(nil, dir, j.ID())
	must(err)
	store, err := state.OpenStore(state.StoreOptions{Dir: filepath.Join(dir, "state", "events"), Cache: 1 << 20})
	must(err)
	s, err := state.NewShard(state.ShardOptions{
		Log: j, Store: store, Step: poison(os.Getenv("MILEPOST_TEST_POISON")), Stage: log.Events, Guard: guard,
		Now: func() int64 { return now }, Interval: time.Hour,
	})
	must(err)
	p := log.Partition{Stream: log.Events}
	if j.Received() == 0 {
		var recs []log.Record
		for i := range 100 {
			recs = append(recs, log.Record{Kind: log.Event, Key: fmt.Appendf(nil, "V%d", i%10), Arrival: now + int64(i), Payload: []byte("fine")})
		}
		recs[50].Payload, recs[60].Payload = []byte("event"), []byte("arm")
		off, err := j.Append(p, recs, log.Ack{})
		must(err)
		must(j.WaitDurable(t.Context(), p, off+100))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-s.Live():
	case err := <-ended:
		t.Fatal(err)
	}
	var r poisonReport
	err = s.Query(ctx, func(v state.View) {
		r.Outcomes = v.Outcomes()
		must(v.Each(func(_, _ []byte, _ int64, body []byte) bool { r.Inputs += int(body[0]); return true }))
		must(v.Rows(state.RowDead, "", func(_ string, b []byte) bool {
			l, err := state.DecodeDeadLetter(b)
			must(err)
			r.Letters = append(r.Letters, l)
			return true
		}))
	})
	must(err)
	cancel()
	must(errors.Join(<-ended, store.Close(), guard.Close(), j.Close()))
	b, err := json.Marshal(&r)
	must(err)
	must(os.WriteFile(filepath.Join(dir, "report.json"), b, 0o600))
}

// E17, with processes that really die: what ends them is left out after three marked deaths, everything
// else is applied, and a later start finds it so.
func TestPoison(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, c := range []struct {
		word, input string
		inputs      int
		outcomes    [4]uint64
	}{
		{"event", "event", 99, [4]uint64{99, 0, 0, 1}},
		{"timer", "timer", 100, [4]uint64{100, 0, 0, 0}},
	} {
		t.Run(c.word, func(t *testing.T) {
			dir := t.TempDir()
			deaths := 0
			for ; ; deaths++ {
				out, err := poisonChild(t, dir, c.word)
				if err == nil {
					break
				}
				if deaths > 6 {
					t.Fatalf("death %d: %v\n%s", deaths, err, out)
				}
			}
			if deaths != 4 { // one unmarked, three marked
				t.Errorf("%d deaths before the poison was found, expected 4", deaths)
			}
			first := poisonReportOf(t, dir)
			if first.Inputs != c.inputs || first.Outcomes != c.outcomes || len(first.Letters) != 1 ||
				first.Letters[0].Reason != "fatal" || first.Letters[0].Input != c.input {
				t.Errorf("report %+v", first)
			}
			if out, err := poisonChild(t, dir, c.word); err != nil {
				t.Fatalf("the start after it: %v\n%s", err, out)
			}
			if again := poisonReportOf(t, dir); fmt.Sprint(again) != fmt.Sprint(first) {
				t.Errorf("the start after it found %+v, expected %+v", again, first)
			}
		})
	}
}

func poisonChild(t *testing.T, dir, word string) ([]byte, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPoisonChild$", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), poisonDir+"="+dir, "MILEPOST_TEST_POISON="+word)
	return cmd.CombinedOutput()
}

func poisonReportOf(t *testing.T, dir string) (r poisonReport) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
