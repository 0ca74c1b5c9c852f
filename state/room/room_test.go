package room_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/state/room"
	"github.com/milepost-io/milepost/state/statetest"
)

const patience = 30 * time.Second

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func content(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A write that does not fit waits, goes on where it stopped, and the file is as if nothing had been.
func TestWriteWaits(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	for _, at := range []bool{false, true} {
		t.Run(fmt.Sprintf("WriteAt %v", at), func(t *testing.T) {
			disk := statetest.NewSmallDisk(vfs.NewMem(), "", 10_000)
			var waits, proceeds atomic.Int32
			fs := room.Wrap(disk, room.Options{
				Waits: func(path string, err error) {
					if path != "f" || !room.Full(err) {
						t.Errorf("waits for %q because of %v", path, err)
					}
					waits.Add(1)
				},
				Proceeds: func(string, time.Duration) { proceeds.Add(1) },
				RetryMax: time.Millisecond,
			})
			fs.SetPatient(true)
			f, err := fs.Create("f", "test")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				var n int
				var err error
				if at {
					n, err = f.WriteAt(want, 0)
				} else {
					n, err = f.Write(bytes.Clone(want)) // a File may change what it is given
				}
				if err == nil && n != len(want) {
					err = fmt.Errorf("wrote %d of %d", n, len(want))
				}
				done <- err
			}()
			until(t, "it waits", func() bool { return fs.Waiting() == 1 && disk.Refused() > 3 })
			select {
			case err := <-done:
				t.Fatalf("the write returned %v while there is no room", err)
			default:
			}
			disk.Foreign(-20_000)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(content(t, disk, "f"), want) {
				t.Error("the file is not what was written")
			}
			if waits.Load() != 1 || proceeds.Load() != 1 || fs.Waiting() != 0 {
				t.Errorf("told %d waits and %d ends, %d wait", waits.Load(), proceeds.Load(), fs.Waiting())
			}
		})
	}
}

// Without patience, and when patience ends, the error comes at once. New files, names and folders wait too.
func TestImpatient(t *testing.T) {
	disk := statetest.NewSmallDisk(vfs.NewMem(), "", 100)
	fs := room.Wrap(disk, room.Options{})
	if _, err := fs.Create("f", "test"); !room.Full(err) {
		t.Fatalf("error is %v, want a full disk", err)
	}
	fs.SetPatient(true)
	done := make(chan error, 1)
	go func() {
		_, err := fs.Create("f", "test")
		done <- err
	}()
	until(t, "it waits", func() bool { return fs.Waiting() == 1 })
	fs.SetPatient(false)
	if err := <-done; !room.Full(err) {
		t.Fatalf("error is %v, want a full disk", err)
	}
}

// Compactions never wait: what they hold is what others wait for.
func TestCompactionFails(t *testing.T) {
	fs := room.Wrap(statetest.NewSmallDisk(vfs.NewMem(), "", 1000), room.Options{})
	fs.SetPatient(true)
	f, err := fs.Create("f", "pebble-compaction")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 2000)); !room.Full(err) {
		t.Fatalf("error is %v, want a full disk", err)
	}
}

// A sync that fails is not tried again, whatever the reason (E4); other errors are passed on at once.
func TestSyncOnce(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		var syncs int
		mem := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpFileSync, errorfs.OpFileSyncData:
				syncs++
				return cause
			case errorfs.OpFileWriteAt:
				return syscall.EIO
			}
			return nil
		}))
		fs := room.Wrap(mem, room.Options{})
		fs.SetPatient(true)
		f, err := fs.OpenReadWrite("f", "test")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SyncData(); !errors.Is(err, cause) || syncs != 1 {
			t.Errorf("error is %v after %d syncs, want %v after one", err, syncs, cause)
		}
		if err := f.Sync(); !errors.Is(err, cause) || syncs != 2 {
			t.Errorf("error is %v after %d syncs, want %v after two", err, syncs, cause)
		}
		if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EIO) {
			t.Errorf("error is %v, want that of the disk", err)
		}
	}
}

// A store begins a file that failed again at once: the next one waits a while, so that no core is burnt.
func TestBackOff(t *testing.T) {
	var tries atomic.Int32
	mem := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate {
			tries.Add(1)
			return syscall.EIO
		}
		return nil
	}))
	fs := room.Wrap(mem, room.Options{RetryMin: time.Hour})
	fs.SetPatient(true)
	if _, err := fs.Create("a", "flush"); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = fs.Create("b", "flush")
	}()
	_, _ = fs.Create("c", "other")
	if n := tries.Load(); n != 2 {
		t.Errorf("%d tries, want the second of flush to wait and that of others not", n)
	}
	fs.SetPatient(false)
	<-done
}
