package journal

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

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
		if !changes(op) || op.Kind == errorfs.OpFileClose || op.Kind == errorfs.OpFilePreallocate {
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
	// A power cut right then.
	cut := crash{mem.CrashClone(vfs.CrashCloneCfg{}), m.state(), what + ", then a power cut"}
	cut.check(t)
	// The next process sees what was written, synced or not; what it goes on from must be durable.
	again := crash{mem, m.state(), what + ", then another start"}
	again.check(t)
	again.fs, again.what = mem.CrashClone(vfs.CrashCloneCfg{}), again.what+" and a power cut"
	again.check(t)
	return false
}

// check opens what is left and holds it to the model.
func (c *crash) check(t *testing.T) {
	t.Helper()
	j, err := Open(Options{FS: c.fs, Dir: "data/journal", Shards: testShards, SegmentBytes: 2 << 10})
	if err != nil {
		t.Errorf("%s: %v", c.what, err)
		return
	}
	defer j.Close()
	if err := c.model.check(j); err != nil {
		t.Errorf("%s: %v", c.what, err)
	}
}

// ioWorkload appends, trims and reopens, small enough to be repeated for every operation it does.
func ioWorkload(fs vfs.FS, m *model) (err error) {
	for range 3 {
		j, err := Open(Options{FS: fs, Dir: "data/journal", Shards: testShards, SegmentBytes: 2 << 10, FrameBytes: 100})
		if err != nil {
			return err
		}
		for i := range 20 {
			p := testShards.partition(i % testShards.total())
			for range 3 {
				if err = m.append(j, p, 1); err != nil {
					break
				}
			}
			if err != nil {
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
