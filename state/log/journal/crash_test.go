package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/state/log"
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
		if changes(op) {
			c.maybe(op)
		}
		return nil
	}))
}

// changes reports whether an operation can change what is on the disk.
func changes(op errorfs.Op) bool {
	created := op.Kind == errorfs.OpOpen && strings.HasSuffix(op.Path, tempSuffix)
	return created || op.Kind.ReadOrWrite() == errorfs.OpIsWrite
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
		FrameBytes:   1 << (5 + rng.IntN(8)),
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
	for seed := range seeds(t, 10) {
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
