package crash

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/replay"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// forSeeds runs f with n seeds, or as many as MILEPOST_SEEDS says, or the one of MILEPOST_SEED.
func forSeeds(t *testing.T, n int, f func(t *testing.T, seed uint64)) {
	t.Helper()
	number := func(name string) int {
		v, err := strconv.Atoi(os.Getenv(name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v
	}
	first := 0
	switch {
	case os.Getenv("MILEPOST_SEED") != "":
		first, n = number("MILEPOST_SEED"), 1
	case os.Getenv("MILEPOST_SEEDS") != "":
		n = number("MILEPOST_SEEDS")
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("again: MILEPOST_SEED=%d go test -run '^%s$' ./cmd/internal/sim", seed, t.Name()[:len(t.Name())-len(fmt.Sprint("/seed_", seed))])
				}
			}()
			f(t, uint64(seed))
		})
	}
}

var shardCounts = []journal.Shards{{Events: 1, Notices: 1}, {Events: 2, Notices: 2}, {Events: 4, Notices: 4}, {Events: 4, Notices: 1}, {Events: 1, Notices: 2}}

// Through crashes, duplicates, reordering, reloads, downtime and bad receivers, the engine ends where an
// undisturbed replay of its journal ends, and the receivers have what that says.
func TestCrashes(t *testing.T) {
	forSeeds(t, 3, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, shardCounts[seed%uint64(len(shardCounts))])
		w.cuts = 8
		w.memory = []int64{0, 1, 200_000}[seed%3]
		sets := ruleSets(t)
		w.set = sets[0]
		script := writeScript(t, rand.New(rand.NewPCG(seed, 3)), sets)
		w.run(script)
		w.finish()
		f := w.check()
		again := checkRedeliveries(t, w.mem, shardCounts[(seed+1)%3], f.Lines(), w.now.Load())
		w.rebuild(f.Lines())
		t.Logf("%d requests, %d crashes, %d events, %d sent again, %d records delivered again", len(w.requests), w.crashes, len(f.Lines()), w.to.repeats, again)
	})
}

// The same while somebody else fills the disk again and again, below the reserve and to the last byte: what
// is acknowledged is durable, nothing is torn, and the engine goes on by itself.
func TestCrashesOnFullDisk(t *testing.T) {
	forSeeds(t, 1, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, shardCounts[seed%uint64(len(shardCounts))])
		w.cuts, w.crowd = 4, true
		sets := ruleSets(t)
		w.set = sets[0]
		w.run(writeScript(t, rand.New(rand.NewPCG(seed, 3)), sets))
		w.finish()
		w.check()
		t.Logf("%d requests, %d crashes, full %d times and %d writes refused in the last life", len(w.requests), w.crashes, w.life.crowd.full, w.life.disk.Refused())
	})
}

// rebuild deletes the stores and keeps the journal: a start yields the same documents and events, and
// nothing leaves under a new id.
func (w *world) rebuild(want []replay.Line) {
	w.t.Helper()
	for _, p := range partitions(w.shards) {
		if err := w.mem.RemoveAll(app.StoreDir(dataDir, p)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.start()
	w.life.next = len(w.requests) // the source has nothing more to say
	w.settle(true)
	w.stop()
	f := w.check()
	if got := f.Lines(); len(got) != len(want) {
		w.t.Errorf("%d events after the stores were deleted, %d before", len(got), len(want))
	}
}

// The same story on 1, 2 and 4 shards of each stage has the same events with the same ends.
func TestShardCounts(t *testing.T) {
	forSeeds(t, 1, func(t *testing.T, seed uint64) {
		sets := ruleSets(t)
		script := writeScript(t, rand.New(rand.NewPCG(seed, 4)), sets)
		var want []replay.Line
		for _, s := range shardCounts[:3] {
			w := newWorld(t, seed, s)
			w.set = sets[0]
			w.run(script)
			w.finish()
			got := w.check().Lines()
			if want == nil {
				want = got
			}
			compareLines(t, fmt.Sprintf("engine on %+v", s), got, want)
		}
	})
}

// One journal in empty folders yields the same events, whatever the process clock says.
func TestSameJournal(t *testing.T) {
	sets := ruleSets(t)
	w := newWorld(t, 0, shardCounts[1])
	w.set = sets[0]
	w.run(writeScript(t, rand.New(rand.NewPCG(0, 5)), sets))
	w.finish()
	ends := map[log.Partition]log.Offset{}
	for e, err := range openArchive(t, w.mem).All() {
		if err != nil {
			t.Fatal(err)
		}
		ends[e.Partition] = e.Offset + 1
	}
	want := w.stories(ends)
	for _, off := range []time.Duration{0, 365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		t.Run(fmt.Sprint("clock off by ", off), func(t *testing.T) {
			c := newWorld(t, 0, w.shards)
			c.mem, c.to = cloneJournal(t, w), w.to
			c.now.Store(w.now.Load() + off.Milliseconds())
			c.start()
			if err := c.life.core.WaitApplied(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.stop()
			if got := c.stories(ends); got != want {
				t.Error(firstDifference(got, want))
			}
		})
	}
}

func vehicleOf(t *testing.T, l *replay.Line) string {
	t.Helper()
	var e struct {
		Subject string `json:"subject"`
	}
	if err := json.Unmarshal(l.Event, &e); err != nil {
		t.Fatal(err)
	}
	return e.Subject
}

func activate(t *testing.T, r *replay.Replay, s journal.Shards, rec *log.Record) *replay.Replay {
	t.Helper()
	a, _, err := rules.ParseActivation(rec.Payload)
	if err == nil && r == nil {
		r, err = replay.New(replay.Options{Activation: a, EventShards: s.Events, NoticeShards: s.Notices})
	} else if err == nil {
		if err = r.Advance(rec.Arrival); err == nil {
			err = r.Activate(a)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
