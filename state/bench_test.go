package state_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/statetest"
)

// inPlace edits a document of a realistic size in place.
type inPlace struct{}

func (inPlace) Apply(c *state.Context, in *state.Input) {
	doc := c.Edit(nil)
	if doc == nil {
		doc = c.Resize(nil, 496)
	}
	add(doc, 1)
	binary.LittleEndian.PutUint64(doc[64:], uint64(in.At))
	c.WakeAt(nil, in.At+3_600_000)
}
func (inPlace) Wake(*state.Context)      {}
func (inPlace) Control([]byte) error     { return nil }
func (inPlace) Activated(*state.Context) {}

func vehicles(n int) [][]byte {
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "WVWZZZ1KZ%08d", i)
	}
	return keys
}

// A step that edits in place costs the engine no allocation.
func TestApplyAllocatesNothing(t *testing.T) {
	m, err := state.NewMachine(state.MachineOptions{Step: inPlace{}, Stage: log.Events})
	if err != nil {
		t.Fatal(err)
	}
	keys := vehicles(100)
	i := 0
	apply := func() {
		rec := log.Record{Kind: log.Event, Key: keys[i%len(keys)], Arrival: 1_700_000_000_000 + int64(i)}
		if err := m.Apply(log.Offset(i), &rec); err != nil {
			t.Fatal(err)
		}
		i++
	}
	for range 10_000 {
		apply()
	}
	if n := testing.AllocsPerRun(10_000, apply); n > 0 {
		t.Errorf("%v allocations per event", n)
	}
}

func BenchmarkMachineApply(b *testing.B) {
	m, err := state.NewMachine(state.MachineOptions{Step: inPlace{}, Stage: log.Events})
	if err != nil {
		b.Fatal(err)
	}
	keys := vehicles(100_000)
	rng := rand.New(rand.NewPCG(1, 1))
	off := log.Offset(0)
	apply := func(k int) {
		rec := log.Record{Kind: log.Event, Key: keys[k], Arrival: 1_700_000_000_000 + int64(off)/200}
		if err := m.Apply(off, &rec); err != nil {
			b.Fatal(err)
		}
		off++
	}
	for k := range keys {
		apply(k)
	}
	order := make([]int, 1<<20)
	for i := range order {
		order[i] = rng.IntN(len(keys))
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	b.ResetTimer()
	start := state.CPUTime()
	for i := range b.N {
		apply(order[i&(1<<20-1)])
	}
	b.ReportMetric(float64(state.CPUTime()-start)/float64(b.N), "cpu-ns/op")
}

// BenchmarkWriteBackPause is the longest time that a shard computes between two applied records while as
// many documents are written back, with a record for a random one all the time. The floor is the longest
// between two records while nothing is written back; filling is the longest while the documents are made
// and the index of the cache grows.
func BenchmarkWriteBackPause(b *testing.B) {
	for _, documents := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("documents=%d", documents), func(b *testing.B) { benchmarkPause(b, documents) })
	}
}

func benchmarkPause(b *testing.B, documents int) {
	store, err := state.OpenStore(state.StoreOptions{Dir: b.TempDir(), FS: vfs.Default})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	l := statetest.NewLog(log.ID{1}, 1, 1)
	m, err := state.NewMachine(state.MachineOptions{Step: inPlace{}, Stage: log.Events, LogID: l.ID(), Backing: store})
	if err != nil {
		b.Fatal(err)
	}
	keys := vehicles(documents)
	rng := rand.New(rand.NewPCG(1, 1))
	runtime.LockOSThread() // for CPUTime
	defer runtime.UnlockOSThread()
	off := log.Offset(0)
	var longest, floor time.Duration
	last := state.CPUTime()
	apply := func(k int) {
		rec := log.Record{Kind: log.Event, Key: keys[k], Arrival: 1_700_000_000_000 + int64(off)/200}
		if err := m.Apply(off, &rec); err != nil {
			b.Fatal(err)
		}
		off++
		now := state.CPUTime()
		longest = max(longest, now-last)
		last = now
	}
	for k := range keys {
		apply(k)
	}
	filling := longest
	var worst time.Duration
	for b.Loop() {
		longest, last = 0, state.CPUTime()
		for range 5 * documents { // dirty nearly all again
			apply(rng.IntN(len(keys)))
		}
		floor = max(floor, longest)
		longest, last = 0, state.CPUTime()
		pause := state.WriteBackForTest(m, store, func() { apply(rng.IntN(len(keys))) })
		worst = max(worst, longest, pause)
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms-longest-pause")
	b.ReportMetric(float64(floor.Microseconds())/1000, "ms-floor")
	b.ReportMetric(float64(filling.Microseconds())/1000, "ms-filling")
}
