package crash

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
	"github.com/milepost-io/milepost/state/statetest"
)

// dataDir is the engine's folder in the world's file system.
const dataDir = "data"

// patience is how long anything may take that must come to an end.
const patience = 60 * time.Second

// anonymous is what tells a sample from others.
var anonymous = regexp.MustCompile(`"time":"[^"]*","seq":\d+,"boot":1,`)

// world is an engine on a file system that crashes, with what is outside of it: a source that sends again
// what was not acknowledged, and receivers.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	shards journal.Shards
	memory int64
	crowd  bool         // somebody else fills the disk again and again
	now    atomic.Int64 // Unix ms
	mem    *vfs.MemFS
	to     *receivers
	set    *rules.Activation // to be in force
	life   *life

	requests []request
	cuts     int // power cuts that may still come
	crashes  int
}

// request is one call of Take.
type request struct {
	recs  []ingest.Record
	quiet bool // to be taken when all before has come to rest, and to come to rest before all after
	acked bool // guarded by the life's mu
}

// life is the engine from one start to one crash.
type life struct {
	world  *world
	core   *app.Core
	mem    *vfs.MemFS
	disk   *statetest.SmallDisk
	crowd  crowd
	rng    *rand.Rand // guarded by mu
	next   int        // the request to be sent next
	again  int        // topics are read on from the first of their requests not below it
	cancel context.CancelFunc
	ready  chan struct{}
	ended  chan struct{}
	err    error // once ended

	mu     sync.Mutex
	budget int        // writes until the power fails; below 0: it does not
	clone  *vfs.MemFS // what the power cut left; nil while there is power
	off    chan struct{}
}

func newWorld(t *testing.T, seed uint64, shards journal.Shards) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), shards: shards, mem: vfs.NewCrashableMem(), to: newReceivers(seed),
	}
	w.now.Store(begin.UnixMilli())
	return w
}

// start runs the engine on the file system as it is and returns when it serves, or when the power failed.
func (w *world) start() {
	w.t.Helper()
	l := &life{
		world: w, mem: w.mem, rng: rand.New(rand.NewPCG(w.rng.Uint64(), 2)),
		again: max(0, len(w.requests)-w.rng.IntN(80)),
		ready: make(chan struct{}), ended: make(chan struct{}), off: make(chan struct{}), budget: -1,
	}
	if w.cuts > 0 && w.rng.IntN(2) == 0 {
		w.cuts--
		l.budget = 1 + w.rng.IntN([]int{20, 200, 2000}[w.rng.IntN(3)])
	}
	w.life = l
	if a, err := journal.OpenReadOnly(w.mem, app.JournalDir(dataDir)); err == nil { // not the first start
		w.to.remember(w.t, a)
	}
	l.disk = statetest.NewSmallDisk(l.fs(), dataDir, diskSize)
	core, err := app.OpenCore(app.CoreOptions{
		Data: dataDir, FS: l.disk, Reserve: diskSize / 20, DiskEvery: time.Millisecond, Shards: w.shards, Keep: 1000 * 24 * time.Hour, MaxBytes: 1 << 40, Memory: w.memory, Cache: 1 << 20,
		WriteBack: 3 * time.Millisecond, Tick: time.Millisecond, IdleTick: 10 * time.Millisecond, Build: "sim",
		Clock: func(floor int64) *app.Clock {
			return app.WallClock(func() time.Time { return time.UnixMilli(w.now.Load()) }, floor)
		},
		Dispatcher: notify.DispatcherOptions{
			Channels: map[string]notify.Channel{toOwner: channel{l, w.to}, toDealer: channel{l, w.to}, toAll: channel{l, w.to}},
			RetryMin: time.Millisecond, RetryMax: 4 * time.Millisecond, OwnerHorizon: 1e5 * time.Hour, DealerHorizon: 1e5 * time.Hour,
			Breaker: notify.BreakerOptions{OpenMin: time.Millisecond, OpenMax: 2 * time.Millisecond},
		},
	})
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	l.core = core
	if w.crowd {
		l.crowd.begin(l.disk, w.rng.Uint64())
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() {
		defer close(l.ended)
		err := core.Run(ctx, app.Life{
			Begin: func(ctx context.Context) error {
				if w.set == nil {
					return nil
				}
				_, err := core.Activate(ctx, *w.set)
				return err
			},
			Ready: func() { close(l.ready) },
		})
		l.err = errors.Join(err, core.Close())
	}()
	select {
	case <-l.ready:
	case <-l.off:
	case <-l.ended:
		w.t.Fatalf("the engine ended: %v", l.err)
	case <-time.After(patience):
		w.t.Fatal("the engine does not start")
	}
}

// fs is the file system of a life: the power fails at the write that exceeds the budget.
func (l *life) fs() vfs.FS {
	return errorfs.Wrap(l.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.budget--; l.budget == 0 {
			l.cut()
		}
		return nil
	}))
}

// cut takes what the disk would hold now. What the engine acknowledges and sends from here on never was.
// l.mu is held, so that nothing of that happens while the clone is made.
func (l *life) cut() {
	if l.clone != nil {
		return
	}
	l.clone = l.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[l.rng.IntN(3)], RNG: l.rng})
	close(l.off)
}

func (l *life) hasPower() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clone == nil
}

// restart cuts the power if it has not failed by itself and starts again on what is left.
func (w *world) restart() {
	w.t.Helper()
	l := w.life
	l.mu.Lock()
	l.cut()
	l.mu.Unlock()
	l.crowd.end()
	l.cancel()
	<-l.ended
	w.crashes++
	w.mem = l.clone
	w.start()
}

// pump sends what was not acknowledged, and now and then what was, after a restart from the first on.
func (w *world) pump() {
	w.t.Helper()
	for {
		w.checkAlive()
		l := w.life
		switch {
		case !l.hasPower():
			w.restart()
		case l.next == len(w.requests):
			return
		case w.isAcked(l.next) && (l.next < l.again || !w.requests[l.next].recs[0].Rising) && w.rng.IntN(50) > 0:
			l.next++
		default:
			w.send(l)
		}
	}
}

func (w *world) isAcked(i int) bool {
	w.life.mu.Lock()
	defer w.life.mu.Unlock()
	return w.requests[i].acked
}

// send sends the next request.
func (w *world) send(l *life) {
	w.t.Helper()
	r := &w.requests[l.next]
	if r.quiet && !w.rest(false) {
		return
	}
	if err := l.core.Sink().Take(r.recs, l, uint64(l.next)); err != nil {
		w.t.Fatalf("take: %v", err)
	}
	if r.quiet && !w.rest(false) {
		return
	}
	l.next++
}

// Acked implements ingest.Acker.
func (l *life) Acked(id uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.clone == nil {
		l.world.requests[id].acked = true
	}
}

// run lives through a script.
func (w *world) run(script []step) {
	w.t.Helper()
	w.start()
	w.play(script)
}

// play lives through a part of a script.
func (w *world) play(script []step) {
	w.t.Helper()
	for _, s := range script {
		if s.kind == reload {
			w.settle(false)
		}
		w.now.Store(max(w.now.Load(), s.at))
		switch s.kind {
		case take, quiet:
			w.life.mu.Lock()
			w.requests = append(w.requests, request{recs: w.source(s), quiet: s.kind == quiet})
			w.life.mu.Unlock()
		case weather:
			w.to.be(s.mood)
		case cut:
			if w.cuts > 0 {
				w.cuts--
				w.restart()
			}
		case reload:
			w.settle(false)
			w.set = s.set
			w.activate()
			w.settle(false)
		}
		w.pump()
	}
}

// source is where the records of a step come from: as they are, or as one message of a topic's partition,
// with its offset. Of these some say neither time nor number, so that nothing but the offset tells that
// they come again.
func (w *world) source(s step) []ingest.Record {
	if s.kind != take || len(w.requests)%2 == 0 {
		return s.recs
	}
	at := len(w.requests) / 2
	out := slices.Clone(s.recs)
	for i := range out {
		r := &out[i]
		r.Source, r.Topic = "kafka", "cars/0"
		r.Origin, r.Seq, r.Rising = "kafka:cars/"+strconv.Itoa(at%3), uint64(at/3)<<16|uint64(i), true
		if at%2 == 0 {
			r.Payload = anonymous.ReplaceAll(r.Payload, nil)
		}
	}
	return out
}

func (w *world) activate() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := w.life.core.Activate(ctx, *w.set); err != nil && w.life.hasPower() {
		w.t.Fatalf("activate: %v", err)
	}
}

func (w *world) checkAlive() {
	w.t.Helper()
	select {
	case <-w.life.ended:
		w.t.Fatalf("the engine ended: %v", w.life.err)
	default:
	}
}

// finish lets everything that is due happen, with receivers that take everything, and stops.
func (w *world) finish() {
	w.t.Helper()
	w.to.be(healthy)
	w.now.Add((2*24*time.Hour + 17*time.Minute + 33*time.Second).Milliseconds())
	w.cuts = 0
	w.settle(true)
	w.stop()
}

func (w *world) stop() {
	w.t.Helper()
	w.life.crowd.end()
	w.life.cancel()
	<-w.life.ended
	if w.life.err != nil {
		w.t.Fatalf("stop: %v", w.life.err)
	}
}

// settle waits until every request is acknowledged, every timer that is due has run in both stages and, if
// asked, the outbox is empty.
func (w *world) settle(empty bool) {
	w.t.Helper()
	for {
		w.pump()
		if w.rest(empty) {
			return
		}
	}
}

// rest is settle without requests; it gives up when the power fails.
func (w *world) rest(empty bool) bool {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for w.life.hasPower() {
		w.checkAlive()
		why := w.restless(empty)
		if why == "" {
			return true
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("no rest at %s: %s", stamp(w.now.Load()), why)
		}
		<-time.After(time.Millisecond) // the engine runs on real goroutines: this only yields
	}
	return false
}

// restless says what is still to happen.
func (w *world) restless(empty bool) (why string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	core, now := w.life.core, w.now.Load()
	if err := core.WaitApplied(ctx); err != nil {
		return err.Error()
	}
	err := core.View(ctx, func(p log.Partition, v state.View) error {
		due, ok := v.NextDue()
		switch clock := v.Clock(); {
		case p.Stream == log.Events && clock < now, clock < now-2000:
			why = p.Stream.String() + " shard's clock at " + stamp(clock)
		case ok && due <= clock:
			why = p.Stream.String() + " timer due at " + stamp(due)
		}
		if empty && why == "" {
			return v.Rows(state.RowOutbox, "", func(key string, _ []byte) bool {
				why = "outbox row " + key
				return false
			})
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return why
}
