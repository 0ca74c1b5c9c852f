package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/logtest"
)

// seeds is how many random runs a test makes; MILEPOST_SEEDS raises it.
func seeds(t testing.TB, n int) int {
	s := os.Getenv("MILEPOST_SEEDS")
	if s == "" {
		return n
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("MILEPOST_SEEDS=%q: %v", s, err)
	}
	return n
}

// model is what a journal must hold: every Append in the order they took effect.
type model struct {
	mu      sync.Mutex
	appends []modelAppend
	next    map[log.Partition]log.Offset
	acked   int // appends whose ack came without error
	trimmed map[log.Partition]log.Offset
}

type modelAppend struct {
	p     log.Partition
	first log.Offset
	n     int
}

func newModel() *model {
	return &model{next: map[log.Partition]log.Offset{}, trimmed: map[log.Partition]log.Offset{}}
}

// modelRecord is the record at a place: its content follows from it.
func modelRecord(p log.Partition, off log.Offset) log.Record {
	return logtest.Record(int(p.Stream)*1_000_003 + int(p.Shard)*10_007 + int(off))
}

// append appends n records to the journal and the model. One goroutine calls it, so that the order of
// appends is known and what survives a crash can be held to be a prefix of it.
func (m *model) append(j *Journal, p log.Partition, n int) error {
	first := m.next[p]
	recs := make([]log.Record, n)
	for i := range recs {
		recs[i] = modelRecord(p, first+log.Offset(i))
	}
	m.mu.Lock()
	id := len(m.appends)
	m.appends = append(m.appends, modelAppend{p, first, n})
	m.next[p] += log.Offset(n)
	m.mu.Unlock()
	off, err := j.Append(p, recs, log.Ack{To: m, ID: uint64(id)})
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.appends = m.appends[:id]
		m.next[p] = first
		return err
	}
	if off != first {
		return fmt.Errorf("append to %v gave %d, want %d", p, off, first)
	}
	return nil
}

// Acked implements log.Acker.
func (m *model) Acked(id uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		return
	}
	if int(id) != m.acked {
		panic(fmt.Sprintf("ack %d, want %d", id, m.acked))
	}
	m.acked++
}

// state is a copy of the model at one moment.
func (m *model) state() *model {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newModel()
	c.appends = slices.Clone(m.appends)
	c.acked = m.acked
	for p, o := range m.trimmed {
		c.trimmed[p] = o
	}
	return c
}

// check holds a reopened journal to the model and cuts the model to what survived.
func (m *model) check(j *Journal) error {
	survived, err := m.prefix(j)
	if err != nil {
		return err
	}
	if survived < m.acked {
		return fmt.Errorf("%d appends survived, %d were acknowledged", survived, m.acked)
	}
	m.appends = m.appends[:survived]
	m.acked = survived
	var events uint64
	m.next = map[log.Partition]log.Offset{}
	for _, a := range m.appends {
		m.next[a.p] += log.Offset(a.n)
		for i := range a.n {
			if r := modelRecord(a.p, a.first+log.Offset(i)); r.Kind == log.Event {
				events++
			}
		}
	}
	if got := j.Received(); got != events {
		return fmt.Errorf("received is %d, want %d", got, events)
	}
	for i := range testShards.total() {
		if err := m.checkPartition(j, testShards.partition(i)); err != nil {
			return err
		}
	}
	return m.checkArchive(j)
}

// prefix returns how many appends survived: exactly the first ones, each whole.
func (m *model) prefix(j *Journal) (int, error) {
	at := map[log.Partition]log.Offset{}
	cut := -1
	for i, a := range m.appends {
		_, next := j.Range(a.p)
		switch {
		case a.first+log.Offset(a.n) <= next:
			if cut >= 0 {
				return 0, fmt.Errorf("append %d to %v survived, append %d did not", i, a.p, cut)
			}
			at[a.p] = a.first + log.Offset(a.n)
		case a.first < next:
			return 0, fmt.Errorf("append %d to %v is torn: %d+%d, the end is %d", i, a.p, a.first, a.n, next)
		case cut < 0:
			cut = i
		}
	}
	for i := range testShards.total() {
		p := testShards.partition(i)
		if _, next := j.Range(p); next != at[p] {
			return 0, fmt.Errorf("%v ends at %d, want %d", p, next, at[p])
		}
	}
	if cut < 0 {
		cut = len(m.appends)
	}
	return cut, nil
}

func (m *model) checkPartition(j *Journal, p log.Partition) error {
	first, next := j.Range(p)
	if first > m.trimmed[p] {
		return fmt.Errorf("%v starts at %d, trimmed below %d only", p, first, m.trimmed[p])
	}
	if d := j.Durable(p); d != next {
		return fmt.Errorf("%v is durable to %d after open, ends at %d", p, d, next)
	}
	r, err := j.Read(p, first)
	if err != nil {
		return err
	}
	defer r.Close()
	for at := first; at < next; {
		off, recs, err := r.Poll(7)
		if err != nil || off != at || len(recs) == 0 {
			return fmt.Errorf("%v: read at %d gives %d records from %d: %v", p, at, len(recs), off, err)
		}
		for i := range recs {
			want := modelRecord(p, at+log.Offset(i))
			if d := logtest.Diff(&recs[i], &want); d != "" {
				return fmt.Errorf("%v record %d: %s", p, at+log.Offset(i), d)
			}
		}
		at += log.Offset(len(recs))
	}
	return nil
}

// checkArchive holds the cross-partition order to the order of appends, frame by frame.
func (m *model) checkArchive(j *Journal) error {
	a, err := OpenReadOnly(j.opts.FS, j.opts.Dir)
	if err != nil {
		return err
	}
	at := map[log.Partition]log.Offset{}
	for e, err := range a.All() {
		if err != nil {
			return err
		}
		want, seen := at[e.Partition]
		if !seen {
			want = a.First(e.Partition)
		}
		if e.Offset != want {
			return fmt.Errorf("archive: %v is at %d, want %d", e.Partition, e.Offset, want)
		}
		rec := modelRecord(e.Partition, e.Offset)
		if d := logtest.Diff(&e.Record, &rec); d != "" {
			return fmt.Errorf("archive: %v record %d: %s", e.Partition, e.Offset, d)
		}
		at[e.Partition] = want + 1
	}
	for i := range testShards.total() {
		p := testShards.partition(i)
		if _, next := j.Range(p); at[p] != next && next != a.First(p) {
			return fmt.Errorf("archive: %v ends at %d, want %d", p, at[p], next)
		}
	}
	return nil
}

// crash is a file system as a power cut left it, and what it must hold.
type crash struct {
	fs    *vfs.MemFS
	model *model
	what  string
}

// crasher takes crash clones of a file system before its operations.
type crasher struct {
	mem   *vfs.MemFS
	model *model
	rng   *rand.Rand
	one   int // one in so many write operations
	mu    sync.Mutex
	ops   int
	taken []crash
}

func (c *crasher) fs() vfs.FS {
	return errorfs.Wrap(c.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			c.maybe(op)
		}
		return nil
	}))
}

func (c *crasher) maybe(op errorfs.Op) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops++
	if c.rng.IntN(c.one) != 0 {
		return
	}
	percent := []int{0, 50, 100}[c.rng.IntN(3)]
	// The model first: what it has as acknowledged must be in the clone.
	m := c.model.state()
	fs := c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng})
	m.mu.Lock()
	defer m.mu.Unlock()
	c.taken = append(c.taken, crash{fs, m, fmt.Sprintf("operation %d (%d on %s), %d %% of unsynced data kept", c.ops, op.Kind, op.Path, percent)})
}

// smallOptions make everything happen often.
func smallOptions(fs vfs.FS, rng *rand.Rand) Options {
	return Options{
		FS: fs, Dir: "data/journal", Shards: testShards,
		SegmentBytes: 1 << (10 + rng.IntN(6)),
		MaxUnsynced:  1 << (8 + rng.IntN(10)),
		Memory:       1 << (8 + rng.IntN(12)),
	}
}

// run does n random operations on the journal in c.mem, which holds c.model.
func (c *crasher) run(n int) error {
	rng := rand.New(rand.NewPCG(c.rng.Uint64(), 1))
	fs := c.fs()
	j, err := Open(smallOptions(fs, rng))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	for range n {
		if j, err = c.step(j, fs, rng); err != nil {
			break
		}
	}
	if cerr := j.Close(); err == nil {
		err = cerr
	}
	return err
}

func (c *crasher) step(j *Journal, fs vfs.FS, rng *rand.Rand) (*Journal, error) {
	p := testShards.partition(rng.IntN(testShards.total()))
	switch k := rng.IntN(100); {
	case k < 80:
		return j, c.model.append(j, p, 1+rng.IntN(5)*rng.IntN(5))
	case k < 90:
		_, next := j.Range(p)
		return j, j.WaitDurable(testContext, p, next)
	case k < 98:
		below := j.Durable(p)
		if first, _ := j.Range(p); below > first && rng.IntN(4) == 0 {
			below = first + log.Offset(rng.Int64N(int64(below-first)))
		}
		c.model.mu.Lock()
		c.model.trimmed[p] = max(below, c.model.trimmed[p])
		c.model.mu.Unlock()
		j.Trim(p, below)
		return j, nil
	default:
		if err := j.Close(); err != nil {
			return j, err
		}
		again, err := Open(smallOptions(fs, rng))
		if err != nil {
			return j, fmt.Errorf("open again: %w", err)
		}
		return again, c.model.check(again)
	}
}

// TestCrash cuts the power at random operations, also during the recovery from another cut.
func TestCrash(t *testing.T) {
	for seed := range seeds(t, 20) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 2))
			mem := vfs.NewCrashableMem()
			c := &crasher{mem: mem, model: newModel(), rng: rng, one: 40}
			if err := c.run(300); err != nil {
				t.Fatal(err)
			}
			for _, cr := range c.taken {
				crashAgain(t, cr, rng, 2)
			}
		})
	}
}

// crashAgain goes on from a crash, with further crashes in it.
func crashAgain(t *testing.T, cr crash, rng *rand.Rand, depth int) {
	t.Helper()
	// One crash clone per recovery or so: dense at the start, where recovery is.
	c := &crasher{mem: cr.fs, model: cr.model, rng: rng, one: 30}
	if depth == 0 {
		c.one = 1 << 30
	}
	o := smallOptions(c.fs(), rng)
	j, err := Open(o)
	if err != nil {
		t.Fatalf("after %s: %v", cr.what, err)
	}
	if err := c.model.check(j); err != nil {
		t.Fatalf("after %s: %v", cr.what, err)
	}
	for i := range 10 {
		if err := c.model.append(j, testShards.partition(i%testShards.total()), 1+i%3); err != nil {
			t.Fatalf("after %s: %v", cr.what, err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatalf("after %s: %v", cr.what, err)
	}
	for _, next := range c.taken {
		next.what = cr.what + ", then " + next.what
		crashAgain(t, next, rng, depth-1)
	}
}

// TestIOErrors fails each write operation in turn: nothing may be acknowledged after it that would not
// survive a power cut at that moment, and the journal must be dead or not opened.
func TestIOErrors(t *testing.T) {
	for at := 0; ; at++ {
		if failAt(t, at) {
			if at < 50 {
				t.Fatalf("only %d operations ran", at)
			}
			return
		}
	}
}

// failAt runs with an error at write operation at; done reports that there are not so many.
func failAt(t *testing.T, at int) (done bool) {
	mem := vfs.NewCrashableMem()
	m := newModel()
	var mu sync.Mutex
	var failed *errorfs.Op
	n := 0
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpFileClose || op.Kind == errorfs.OpFilePreallocate {
			return nil
		}
		if n++; n-1 != at {
			return nil
		}
		failed = &op
		return errorfs.ErrInjected
	}))
	err := ioWorkload(fs, m)
	mu.Lock()
	defer mu.Unlock()
	if failed == nil {
		if err != nil {
			t.Fatalf("without a failing operation: %v", err)
		}
		return true
	}
	what := fmt.Sprintf("operation %d, kind %d on %s", at, failed.Kind, failed.Path)
	if err == nil && failed.Kind != errorfs.OpRemove {
		t.Errorf("%s failed and nobody noticed", what)
	}
	if err != nil && !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("%s: error is %v, want the injected one", what, err)
	}
	after := m.state()
	j, err := Open(Options{FS: mem.CrashClone(vfs.CrashCloneCfg{}), Dir: "data/journal", Shards: testShards, SegmentBytes: 2 << 10})
	if err != nil {
		t.Errorf("%s: open after it: %v", what, err)
		return false
	}
	defer j.Close()
	if err := after.check(j); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return false
}

// ioWorkload appends, trims and reopens, small enough to be repeated for every operation it does.
func ioWorkload(fs vfs.FS, m *model) (err error) {
	for range 3 {
		j, err := Open(Options{FS: fs, Dir: "data/journal", Shards: testShards, SegmentBytes: 2 << 10})
		if err != nil {
			return err
		}
		for i := range 20 {
			p := testShards.partition(i % testShards.total())
			if err = m.append(j, p, 2); err != nil {
				break
			}
			if err = j.WaitDurable(testContext, p, m.next[p]); err != nil {
				break
			}
			m.mu.Lock()
			m.trimmed[p] = m.next[p]
			m.mu.Unlock()
			j.Trim(p, m.next[p])
		}
		if cerr := j.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}
