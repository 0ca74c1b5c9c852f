package state_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/statetest"
)

// settled is a world that has stopped cleanly after some events.
func settled(t *testing.T) *world {
	w := newWorld(t, 1, 1)
	w.open()
	w.randomEvents(rand.New(rand.NewPCG(1, 1)), 100)
	w.settle()
	w.check()
	w.stop()
	return w
}

// shardOn opens the events shard of w on a log.
func shardOn(w *world, l log.Log) error {
	p := w.parts()[0]
	store, err := state.OpenStore(state.StoreOptions{Dir: storeDir(p), FS: w.fs, Cache: 1 << 20})
	if err != nil {
		return err
	}
	_, err = state.NewShard(state.ShardOptions{Log: l, Store: store, Step: stepOf(p.Stream), Stage: p.Stream, Now: w.now.Load})
	return errors.Join(err, store.Close())
}

// E15: a store goes on with its own log only, and only where that joins on to it.
func TestRefusal(t *testing.T) {
	w := settled(t)
	if err := shardOn(w, statetest.NewLog(log.ID{9}, 1, 1)); !errors.Is(err, state.ErrOtherLog) {
		t.Errorf("other log: %v", err)
	}
	if err := shardOn(w, statetest.NewLog(w.log.ID(), 1, 1)); !errors.Is(err, state.ErrGap) {
		t.Errorf("log shorter than the store: %v", err)
	}
	if err := shardOn(w, statetest.NewLog(w.log.ID(), 1, 2)); err == nil || !strings.Contains(err.Error(), "receivers") {
		t.Errorf("log with more shards: %v", err)
	}
	p := w.parts()[0]
	_, next := w.log.Range(p)
	if _, err := w.log.Append(p, []log.Record{{Kind: log.Tick}}, log.Ack{}); err != nil {
		t.Fatal(err)
	}
	w.log.Trim(p, next+1)
	if err := shardOn(w, w.log); !errors.Is(err, state.ErrGap) {
		t.Errorf("log trimmed above the store: %v", err)
	}
}

// A clean stop leaves nothing to replay.
func TestCleanStop(t *testing.T) {
	w := settled(t)
	for _, p := range w.parts() {
		_, next := w.log.Range(p)
		if got := w.offline(p, next); got != next {
			t.Errorf("store of %v stands at %d, the log ends at %d", p, got, next)
		}
	}
}

// What a stopped shard shows is what the log holds, however far behind its store is.
func TestOfflineAfterCrash(t *testing.T) {
	behind := log.Offset(0)
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 5))
		w := newWorld(t, 2, 2)
		w.open()
		w.randomEvents(rng, 300)
		w.crash(rng)
		for _, p := range w.parts() {
			_, next := w.log.Range(p)
			behind += next - w.offline(p, next)
		}
	}
	if behind == 0 {
		t.Error("no store was behind its log")
	}
}

// offline compares the offline view of a partition with the reference, and returns where its store stood.
func (w *world) offline(p log.Partition, next log.Offset) log.Offset {
	w.t.Helper()
	o, err := state.OpenOffline(state.StoreOptions{Dir: storeDir(p), FS: w.fs}, w.options(p))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := o.Close(); err != nil {
			w.t.Error(err)
		}
	}()
	for i, rec := range w.log.Records(p)[:next] {
		if err := o.Apply(log.Offset(i), &rec); err != nil {
			w.t.Fatal(err)
		}
	}
	var got, want bytes.Buffer
	if err := dumpAll(o.View, &got); err != nil {
		w.t.Fatal(err)
	}
	if err := dumpAll(state.ViewOf(w.reference(p, next)), &want); err != nil {
		w.t.Fatal(err)
	}
	if got.String() != want.String() {
		w.t.Errorf("offline view of %v\n%s\nwant\n%s", p, &got, &want)
	}
	return o.Stored()
}

// A store that was lost is made again from a log that was kept.
func TestStoreLost(t *testing.T) {
	w := newWorld(t, 2, 2)
	w.open()
	w.randomEvents(rand.New(rand.NewPCG(3, 1)), 300)
	w.settle()
	w.stop()
	fresh := statetest.NewLog(w.log.ID(), 2, 2) // the same records, none trimmed
	for _, p := range w.parts() {
		if _, err := fresh.Append(p, w.log.Records(p), log.Ack{}); err != nil {
			t.Fatal(err)
		}
	}
	w.log, w.fs = fresh, vfs.NewCrashableMem()
	w.open()
	w.settle()
	w.check()
	w.stop()
}

// A handover that cannot be appended ends the shard: the next one must not overtake it.
func TestFailedAppendEndsTheShard(t *testing.T) {
	w := newWorld(t, 1, 1)
	broken := errors.New("no room")
	failed := false
	w.log.Fault(func(_ log.Partition, recs []log.Record) error {
		if recs[0].Kind != log.Handover || failed {
			return nil
		}
		failed = true
		return broken
	})
	w.open()
	w.event("V1", "o")
	w.event("V2", "o")
	select {
	case err := <-w.shards[0].ended:
		if !errors.Is(err, broken) {
			t.Errorf("run ended with %v, want %v", err, broken)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the shard goes on")
	}
	if err := w.shards[0].Query(context.Background(), func(state.View) {}); !errors.Is(err, state.ErrStopped) {
		t.Errorf("query of an ended shard: %v", err)
	}
	w.shards[0].ended <- nil
	w.stop()
}

// E9: a record stamped far ahead is not consumed, while everything else goes on.
func TestFutureRecordIsHeld(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.open()
	p := w.parts()[0]
	off, err := w.log.Append(p, []log.Record{{Kind: log.Event, Key: []byte("V1"), Arrival: w.now.Load() + 6*60_000}}, log.Ack{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := w.shards[0].WaitApplied(ctx, off-1); err != nil {
		t.Fatal(err)
	}
	err = w.shards[0].Query(ctx, func(v state.View) {
		if v.Position() > off {
			t.Errorf("record %d was applied %d ms ahead of the clock", off, 6*60_000)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.now.Add(2 * 60_000)
	if err := w.shards[0].WaitApplied(ctx, off+1); err != nil {
		t.Error(err)
	}
	w.stop()
}

// A store of a newer format is refused by name.
func TestFormat(t *testing.T) {
	fs := vfs.NewMem()
	o := state.StoreOptions{Dir: "/s", FS: fs, Cache: 1 << 20}
	s, err := state.OpenStore(o)
	if err != nil {
		t.Fatal(err)
	}
	if g := s.Generation(); g != 1 {
		t.Errorf("generation %d of a new store", g)
	}
	if err := s.SetFormatForTest(99); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := state.OpenStore(o); !errors.Is(err, state.ErrFormat) || !strings.Contains(err.Error(), "99") {
		t.Errorf("open of a newer store: %v", err)
	}
	if _, err := state.OpenOffline(state.StoreOptions{Dir: "/none", FS: fs}, state.MachineOptions{}); err == nil {
		t.Error("a store that is not there was opened for reading")
	}
}

// E3: the store does not go where the log has the cause but not yet what came of it: a crash would lose
// the notices for good.
func TestStoreWaitsForEmissions(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.open()
	w.settle()
	w.log.Hold()
	w.event("V1", "o")
	s := w.shards[0]
	_, end := w.log.Range(s.part)
	for w.log.Durable(s.part) < end {
		w.log.Sync(1)
	}
	if err := s.WaitApplied(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if s.Flushed() >= end {
			t.Fatalf("the store stands at %d and what record %d emitted is not durable", s.Flushed(), end-1)
		}
		time.Sleep(time.Millisecond)
	}
	w.log.Sync(-1)
	w.settle()
	w.check()
	w.stop()
}
