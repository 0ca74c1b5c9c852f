package state

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A store whose list of files cannot be written ends whoever waits for it, with what to do; it neither ends
// the process nor hangs, and what was flushed is there afterwards.
func TestStoreCannotGoOn(t *testing.T) {
	mem := vfs.NewMem()
	var broken atomic.Bool
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpFileSync && strings.Contains(op.Path, "MANIFEST") {
			return syscall.EIO
		}
		return nil
	}))
	s, err := OpenStore(StoreOptions{Dir: "store", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	b := s.newBatch(0)
	if err := b.Set([]byte("s/k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := s.commit(b); err != nil {
		t.Fatal(err)
	}
	err = s.flush(t.Context())
	if err == nil || !strings.Contains(err.Error(), "store store cannot go on") || !strings.Contains(err.Error(), "start again") {
		t.Errorf("flush says %v", err)
	}
	select {
	case <-s.Failed():
	case <-time.After(30 * time.Second):
		t.Fatal("the failure is not told")
	}
	if !errors.Is(s.Err(), err) {
		t.Errorf("the store says %v", s.Err())
	}
	if err := s.Close(); err != nil {
		t.Errorf("close says %v", err)
	}
}

// A damaged table is a StoreDamageError with the store's folder in it.
func TestStoreDamaged(t *testing.T) {
	mem := vfs.NewMem()
	s, err := OpenStore(StoreOptions{Dir: "store", FS: mem})
	if err != nil {
		t.Fatal(err)
	}
	b := s.newBatch(0)
	if err := b.Set([]byte("s/k"), []byte(strings.Repeat("v", 5000))); err != nil {
		t.Fatal(err)
	}
	if err := s.commit(b); err != nil {
		t.Fatal(err)
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := mem.List("store")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasSuffix(n, ".sst") {
			f, err := mem.OpenReadWrite(mem.PathJoin("store", n), "test")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte{0xff, 0xfe, 0xfd, 0xfc}, 20); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
	s, err = OpenStore(StoreOptions{Dir: "store", FS: mem})
	if err == nil {
		_, _, err = s.Get(nil, []byte("s/k"))
	}
	var damage *StoreDamageError
	if !errors.As(err, &damage) || damage.Dir != "store" {
		t.Errorf("error is %v, want damage of the store", err)
	}
}
