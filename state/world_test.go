package state_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/statetest"
)

const (
	wakeAfter   = 3000
	notifyAfter = 2000
)

// world is a log and the stores and shards on it: both stages of counting steps.
type world struct {
	t      *testing.T
	log    *statetest.Log
	fs     *vfs.MemFS
	now    *atomic.Int64
	memory int64
	guard  *state.Guard
	shards []*runningShard
}

type runningShard struct {
	*state.Shard
	part   log.Partition
	store  *state.Store
	cancel context.CancelFunc
	ended  chan error

	mu   sync.Mutex
	rows map[string]string // the outbox as an effect sees it: read when live, then fed
	live bool
}

func newWorld(t *testing.T, events, notices int) *world {
	w := &world{
		t: t, log: statetest.NewLog(log.ID{1, 2, 3}, events, notices), fs: vfs.NewCrashableMem(),
		now: new(atomic.Int64),
	}
	w.now.Store(1_700_000_000_000)
	return w
}

func stepOf(s log.Stream) state.Step {
	if s == log.Events {
		return &statetest.Rules{WakeAfter: wakeAfter}
	}
	return &statetest.Notify{WakeAfter: notifyAfter}
}

func (w *world) parts() (ps []log.Partition) {
	for _, s := range []log.Stream{log.Events, log.Notices} {
		for i := range w.log.Shards(s) {
			ps = append(ps, log.Partition{Stream: s, Shard: uint16(i)})
		}
	}
	return ps
}

func storeDir(p log.Partition) string { return fmt.Sprintf("/store/%s-%d", p.Stream, p.Shard) }

// open opens the stores and runs the shards.
func (w *world) open() {
	w.t.Helper()
	w.shards = nil
	var err error
	if w.guard, err = state.OpenGuard(w.fs, "/", w.log.ID()); err != nil {
		w.t.Fatal(err)
	}
	for _, p := range w.parts() {
		store, err := state.OpenStore(state.StoreOptions{Dir: storeDir(p), FS: w.fs, Cache: 1 << 20})
		if err != nil {
			w.t.Fatal(err)
		}
		r := &runningShard{part: p, store: store, ended: make(chan error, 1), rows: map[string]string{}}
		r.Shard, err = state.NewShard(state.ShardOptions{
			Log: w.log, Store: store, Step: stepOf(p.Stream), Stage: p.Stream, Shard: p.Shard,
			Now: w.now.Load, Memory: w.memory, Interval: time.Millisecond, TickEvery: time.Millisecond, RoundTrip: true,
			Live:       func(v state.View) { w.onLive(r, v) },
			Feed:       func(ops []state.RowOp) { w.onFeed(r, ops) },
			FeedSpaces: []state.Space{state.RowOutbox}, Guard: w.guard,
		})
		if err != nil {
			w.t.Fatalf("shard %v: %v", p, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		r.cancel = cancel
		w.shards = append(w.shards, r)
		go func() { r.ended <- r.Run(ctx) }()
	}
}

func (w *world) onLive(r *runningShard, v state.View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = true
	if v.Generation() != r.store.Generation() {
		w.t.Errorf("shard %v: live after start %d, its own is %d (E13)", r.part, v.Generation(), r.store.Generation())
	}
	err := v.Rows(state.RowOutbox, "", func(k string, val []byte) bool {
		w.checkCause(r, k)
		r.rows[k] = string(val)
		return true
	})
	if err != nil {
		w.t.Error(err)
	}
}

func (w *world) onFeed(r *runningShard, ops []state.RowOp) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.live {
		w.t.Errorf("shard %v: fed before its own start was applied (E13)", r.part)
	}
	for _, op := range ops {
		w.checkCause(r, op.Key)
		if _, ok := r.rows[op.Key]; ok {
			w.t.Errorf("shard %v: row %x fed twice", r.part, op.Key)
		}
		r.rows[op.Key] = string(op.Value)
	}
}

func (w *world) checkCause(r *runningShard, key string) {
	if off, ok := state.RowOffset(key); !ok || off >= w.log.Durable(r.part) {
		w.t.Errorf("shard %v: the effect of record %d leaves before that is durable (E4)", r.part, off)
	}
}

// stop ends the shards; clean is what Run must have said.
func (w *world) stop() {
	w.t.Helper()
	for _, r := range w.shards {
		r.cancel()
	}
	for _, r := range w.shards {
		if err := <-r.ended; err != nil {
			w.t.Errorf("shard %v: %v", r.part, err)
		}
		if err := r.store.Close(); err != nil {
			w.t.Error(err)
		}
		if c := w.guard.Condemned(r.part); len(c) > 0 {
			w.t.Errorf("shard %v: calls %v are condemned, no step ended a process (E17)", r.part, c)
		}
	}
	if err := w.guard.Close(); err != nil {
		w.t.Error(err)
	}
}

// crash goes on with what the disk and the log held at one moment.
func (w *world) crash(rng *rand.Rand) {
	w.t.Helper()
	var fs *vfs.MemFS
	l := w.log.Crash(rng, func() {
		fs = w.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	})
	w.log.Sync(-1) // let the old world end
	w.stop()
	w.log, w.fs = l, fs
}

func (w *world) event(key, owner string) {
	p := log.Partition{Stream: log.Events, Shard: log.ShardOf([]byte(key), w.log.Shards(log.Events))}
	_, err := w.log.Append(p, []log.Record{{
		Kind: log.Event, Key: []byte(key), Arrival: w.now.Load(), Payload: []byte(owner),
	}}, log.Ack{})
	if err != nil {
		w.t.Fatal(err)
	}
}

// flush has one of the stores flush: they do when they like.
func (w *world) flush(rng *rand.Rand) {
	if err := w.shards[rng.IntN(len(w.shards))].store.FlushForTest(); err != nil {
		w.t.Error(err)
	}
}

// linger gives the shards the time to write back what they may.
func (w *world) linger() {
	for range 50 {
		for _, r := range w.shards {
			if err := r.Query(context.Background(), func(state.View) {}); err != nil {
				w.t.Fatalf("shard %v: %v", r.part, err)
			}
		}
	}
}

func (w *world) randomEvents(rng *rand.Rand, n int) {
	for range n {
		k := rng.IntN(60)
		w.event(fmt.Sprintf("V%03d", k), fmt.Sprintf("owner-%d", k%7))
		if rng.IntN(4) == 0 {
			w.now.Add(int64(rng.IntN(1500)))
		}
	}
}

// settle waits until everything has been applied and every timer has run.
func (w *world) settle() {
	w.t.Helper()
	w.now.Add(10 * wakeAfter)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// Each stage needs a tick after the time that was set; their offsets are not known beforehand.
	for _, s := range []log.Stream{log.Events, log.Notices} {
		for _, r := range w.shards {
			if r.part.Stream != s {
				continue
			}
			select {
			case <-r.Live():
			case err := <-r.ended:
				w.t.Fatalf("shard %v: %v", r.part, err)
			case <-ctx.Done():
				w.t.Fatalf("shard %v is not live", r.part)
			}
			if s == log.Events {
				_, err := w.log.Append(r.part, []log.Record{{Kind: log.Tick, Arrival: w.now.Load()}}, log.Ack{})
				if err != nil {
					w.t.Fatal(err)
				}
			}
			_, next := w.log.Range(r.part)
			if err := r.WaitApplied(ctx, next); err != nil {
				w.t.Fatalf("shard %v at %d of %d: %v", r.part, r.Applied(), next, err)
			}
		}
	}
}

// check compares every shard with a machine that applied its whole log from the beginning in memory, and
// the two stages with each other.
func (w *world) check() {
	w.t.Helper()
	for _, r := range w.shards {
		var got, want bytes.Buffer
		var pos log.Offset
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err := r.Query(ctx, func(v state.View) {
			pos = v.Position()
			if err := dumpAll(v, &got); err != nil {
				w.t.Error(err)
			}
			w.checkFed(r, v)
		})
		cancel()
		if err != nil {
			w.t.Fatal(err)
		}
		if err := dumpAll(state.ViewOf(w.reference(r.part, pos)), &want); err != nil {
			w.t.Fatal(err)
		}
		if got.String() != want.String() {
			w.t.Fatalf("shard %v at %d\n%s\nwant\n%s", r.part, pos, &got, &want)
		}
	}
	w.checkStages()
}

// checkFed compares the outbox with what effects have seen of it, as far as it is durable.
func (w *world) checkFed(r *runningShard, v state.View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	err := v.Rows(state.RowOutbox, "", func(k string, val []byte) bool {
		if n++; r.rows[k] != string(val) {
			w.t.Errorf("shard %v: row %x was fed as %q, is %q", r.part, k, r.rows[k], val)
		}
		return true
	})
	if err != nil || n != len(r.rows) {
		w.t.Errorf("shard %v: %d rows, %d were fed, %v", r.part, n, len(r.rows), err)
	}
}

func dumpAll(v state.View, b *bytes.Buffer) error {
	if err := v.Dump(b); err != nil {
		return err
	}
	v.Counters(func(name, label string, n int64) { fmt.Fprintln(b, name, label, n) })
	fmt.Fprintln(b, v.Outcomes(), v.Clock(), v.Generation())
	return v.Rows(state.RowOutbox, "", func(k string, val []byte) bool {
		fmt.Fprintf(b, "row %x %s\n", k, val)
		return true
	})
}

func (w *world) options(p log.Partition) state.MachineOptions {
	o := state.MachineOptions{Step: stepOf(p.Stream), Stage: p.Stream, Shard: p.Shard, LogID: w.log.ID()}
	if p.Stream == log.Events {
		o.Receivers = w.log.Shards(log.Notices)
	} else {
		o.Senders = w.log.Shards(log.Events)
	}
	return o
}

func (w *world) reference(p log.Partition, end log.Offset) *state.Machine {
	m, err := state.NewMachine(w.options(p))
	if err != nil {
		w.t.Fatal(err)
	}
	recs := w.log.Records(p)[:end]
	for i := range recs {
		if err := m.Apply(log.Offset(i), &recs[i]); err != nil {
			w.t.Fatal(err)
		}
	}
	return m
}

// checkStages holds the counts against the log: each event counted once, each notice counted once.
func (w *world) checkStages() {
	w.t.Helper()
	events, notices := map[string]uint64{}, map[string]uint64{}
	for _, r := range w.shards {
		if r.part.Stream == log.Events {
			for _, rec := range w.log.Records(r.part) {
				if rec.Kind == log.Event {
					events[string(rec.Key)]++
				}
			}
		}
	}
	for _, r := range w.shards {
		err := r.Query(context.Background(), func(v state.View) {
			err := v.Each(func(key, sub []byte, _ int64, body []byte) bool {
				if string(sub) == "owner" {
					return true
				}
				c := statetest.DecodeCounts(body)
				if r.part.Stream == log.Notices {
					notices[string(sub)] += c.Inputs
					return true
				}
				if c.Inputs != events[string(key)] {
					w.t.Errorf("%s: %d events counted, %d in the log", key, c.Inputs, events[string(key)])
				}
				if c.Wakes == 0 {
					w.t.Errorf("%s was never woken", key)
				}
				events[string(key)] = c.Inputs + c.Wakes
				return true
			})
			if err != nil {
				w.t.Error(err)
			}
		})
		if err != nil && !errors.Is(err, state.ErrStopped) {
			w.t.Error(err)
		}
	}
	for key, n := range events {
		if notices[key] != n {
			w.t.Errorf("%s emitted %d notices, %d were counted", key, n, notices[key])
		}
	}
}
