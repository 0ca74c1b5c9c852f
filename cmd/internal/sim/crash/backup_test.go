package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/backup"
	"github.com/milepost-io/milepost/state/log"
)

// backedUp is what a world was like when a backup of it was begun.
type backedUp struct {
	dir      string
	now      int64
	requests int
	set      *rules.Activation
}

// A backup is taken at some moment, while the engine works on what it has acknowledged. The engine goes on to
// the end of the story and is lost; on another machine the backup is restored and lives through the rest
// again. It comes to the same vehicles and the same events with the same ends, and the receivers, who have
// heard it all already, hear nothing new: no event under a second id, no other bytes, and nothing again
// that was recorded as delivered before the backup.
func TestBackupRestore(t *testing.T) {
	forSeeds(t, 3, func(t *testing.T, seed uint64) {
		shards := shardCounts[seed%uint64(len(shardCounts))]
		w := newWorld(t, seed, shards)
		sets := ruleSets(t)
		w.set = sets[0]
		script := calm(writeScript(t, rand.New(rand.NewPCG(seed, 8)), sets))
		at := len(script)/4 + w.rng.IntN(len(script)/2)
		w.run(script[:at])
		at = w.pileUp(script, at)
		w.awaitAcked()
		b := w.backUp("/backup")
		w.play(script[at:])
		w.finish()
		want := w.check().Lines()

		r := restoreWorld(t, w, b)
		before := w.to.heard()
		r.start()
		r.life.next = b.requests
		r.checkHeld(before)
		r.release()
		r.play(script[at:])
		r.finish()
		compareLines(t, "restored engine", r.check().Lines(), want)
		compareVehicles(t, r, w)
		t.Logf("backup after %d of %d steps, %d events, %d sent again", at, len(script), len(want), w.to.repeats)
	})
}

// calm leaves out receivers that refuse for good: that they did before the machine was lost is known to
// nobody on the other one.
func calm(script []step) []step {
	return slices.DeleteFunc(script, func(s step) bool { return s.kind == weather && s.mood == refusing })
}

// pileUp goes on until something waits for receivers that take nothing, and returns the step reached.
func (w *world) pileUp(script []step, at int) int {
	w.t.Helper()
	w.to.be(deaf)
	w.rest(false) // calls that are under way may still be heard
	for ; w.waiting() == 0 && at < len(script); at++ {
		w.play(script[at : at+1])
		w.to.be(deaf)
		w.rest(false)
	}
	return at
}

// waiting is how many entries the outbox holds.
func (w *world) waiting() (n int) {
	w.t.Helper()
	err := w.life.core.View(w.t.Context(), func(_ log.Partition, v state.View) error {
		return v.Rows(state.RowOutbox, "", func(string, []byte) bool {
			n++
			return true
		})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// awaitAcked waits until all that was sent is acknowledged: what a backup begun now has.
func (w *world) awaitAcked() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i := range w.requests {
		for !w.isAcked(i) {
			select {
			case <-ctx.Done():
				w.t.Fatalf("request %d is not acknowledged", i)
			case <-time.After(time.Millisecond):
			}
		}
	}
}

func (w *world) backUp(dir string) backedUp {
	w.t.Helper()
	b := backedUp{dir: dir, now: w.now.Load(), requests: len(w.requests), set: w.set}
	if _, err := w.life.core.Backup(w.t.Context(), dir, "sim", nil, nil); err != nil {
		w.t.Fatal(err)
	}
	return b
}

// restoreWorld is another machine with the backup, before its first start. The receivers are the same.
func restoreWorld(t *testing.T, w *world, b backedUp) *world {
	t.Helper()
	r := newWorld(t, w.rng.Uint64(), w.shards)
	r.to, r.set, r.requests = w.to, b.set, slices.Clone(w.requests[:b.requests])
	r.now.Store(b.now)
	r.mem = restoreTarget(t, w)
	if err := restoreOn(t, r.mem, w, b); err != nil {
		t.Fatal(err)
	}
	return r
}

// checkHeld: a restored engine comes to rest without sending anything.
func (w *world) checkHeld(before int) {
	w.t.Helper()
	w.settle(false)
	if n := w.to.heard(); n != before {
		w.t.Errorf("%d calls while all sends are held", n-before)
	}
	if w.waiting() == 0 {
		w.t.Error("nothing waits to be sent: this proves nothing")
	}
}

func (w *world) release() {
	w.t.Helper()
	if _, err := w.life.core.Release(w.t.Context(), "", "test"); err != nil {
		w.t.Fatal(err)
	}
}

// compareVehicles: both engines know the same of every vehicle, byte for byte.
func compareVehicles(t *testing.T, got, want *world) {
	t.Helper()
	vehicles := func(w *world) string {
		var b strings.Builder
		for _, p := range partitions(w.shards) {
			if p.Stream != log.Events {
				continue
			}
			s := openStopped(t, w.mem, p, openArchive(t, w.mem).ID(), w.shards)
			defer s.Close()
			err := s.Each(func(key, sub []byte, armed int64, body []byte) bool {
				fmt.Fprintf(&b, "%q %q %d %x\n", key, sub, armed, body)
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return b.String()
	}
	if g, w := vehicles(got), vehicles(want); g != w {
		t.Errorf("the vehicles differ\n%s", firstDifference(g, w))
	}
}

// The power fails while a backup is made: the engine goes on as after any power cut, and the backup is whole
// or refused, never in between.
func TestPowerCutDuringBackup(t *testing.T) {
	whole, refused := 0, 0
	forSeeds(t, 12, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, shardCounts[seed%uint64(len(shardCounts))])
		sets := ruleSets(t)
		w.set = sets[0]
		script := writeScript(t, rand.New(rand.NewPCG(seed, 9)), sets)
		at := 50 + w.rng.IntN(100)
		w.run(script[:at])
		w.life.mu.Lock()
		w.life.budget = 1 + w.rng.IntN(300)
		w.life.mu.Unlock()
		_, _ = w.life.core.Backup(t.Context(), "/backup", "sim", nil, nil) // in the dark, errors mean nothing
		w.restart()
		c, err := backup.Verify(t.Context(), w.mem, "/backup", nil)
		if err == nil {
			whole++
			if err := c.Err(false); err != nil {
				t.Errorf("a backup with a manifest is not whole: %v", err)
			}
		} else {
			refused++
		}
		if _, err := w.mem.Stat(w.mem.PathJoin(dataDir, backup.StageDir)); err == nil {
			t.Error("the start left what the backup had staged")
		}
		w.play(script[at : at+50])
		w.finish()
		w.check()
	})
	t.Logf("%d whole, %d refused", whole, refused)
}

// A restore that the power cut off is refused by the engine, and begun anew it succeeds.
func TestPowerCutDuringRestore(t *testing.T) {
	w := newWorld(t, 1, shardCounts[1])
	sets := ruleSets(t)
	w.set = sets[0]
	script := writeScript(t, rand.New(rand.NewPCG(1, 10)), sets)
	w.run(script[:100])
	w.awaitAcked()
	b := w.backUp("/backup")
	w.finish()
	cuts := 0
	for budget := 1; ; budget += 7 {
		other := restoreTarget(t, w)
		l := &life{world: w, mem: other, rng: w.rng, off: make(chan struct{}), budget: budget}
		err := restoreOn(t, l.fs(), w, b)
		if l.hasPower() {
			if err != nil {
				t.Fatal(err)
			}
			if cuts < 10 {
				t.Errorf("only %d cuts fell into the restore", cuts)
			}
			return
		}
		if empty(l.clone) {
			continue // nothing was begun
		}
		if backup.CheckFinished(l.clone, dataDir) == nil { // the cut fell behind the last step
			if _, err := l.clone.Stat(dataDir + "/restored.json"); err != nil {
				t.Errorf("cut at write %d: an engine would start on half a folder: %v", budget, err)
			}
			continue
		}
		cuts++
		if err := restoreOn(t, l.clone, w, b); err != nil {
			t.Fatalf("cut at write %d, restored again: %v", budget, err)
		}
	}
}

func empty(fs state.FS) bool {
	names, err := fs.List(dataDir)
	return err != nil || len(names) == 0
}

// restoreTarget is a machine with the backup and no data.
func restoreTarget(t *testing.T, w *world) *vfs.MemFS {
	t.Helper()
	fs := w.mem.CrashClone(vfs.CrashCloneCfg{}) // the backup is durable: the power may fail when it is made
	if err := fs.RemoveAll(dataDir); err != nil {
		t.Fatal(err)
	}
	if err := state.SyncDir(fs, "/"); err != nil {
		t.Fatal(err)
	}
	return fs
}

func restoreOn(t *testing.T, fs state.FS, w *world, b backedUp) error {
	t.Helper()
	c, err := backup.Verify(t.Context(), fs, b.dir, nil)
	if err == nil {
		err = c.Err(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	o := backup.RestoreOptions{FS: fs, Dir: b.dir, Check: c, Data: dataDir, Shards: w.shards}
	_, err = app.RestoreInto(t.Context(), o, app.RestoreRequest{By: "test"}, time.UnixMilli(b.now))
	return err
}
