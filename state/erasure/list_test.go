package erasure

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func open(t *testing.T, fs vfs.FS) *List {
	t.Helper()
	l, err := Open(fs, "data")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func memory(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	if err := fs.MkdirAll("data", 0o755); err != nil {
		t.Fatal(err)
	}
	syncDir(t, fs, "/")
	return fs
}

func syncDir(t *testing.T, fs vfs.FS, dir string) {
	t.Helper()
	d, err := fs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
}

func TestListKeepsWhoIsErased(t *testing.T) {
	fs := memory(t)
	l := open(t, fs)
	if l.Has(Vehicle, []byte("V1")) || l.Len() != 0 {
		t.Fatal("a new list holds something")
	}
	if err := l.Add(10, Vehicle, []byte("V1"), []byte("V2")); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(11, Party, []byte("V3")); err != nil {
		t.Fatal(err)
	}
	if err := l.Return(20, Vehicle, []byte("V2")); err != nil {
		t.Fatal(err)
	}
	check := func(l *List) {
		t.Helper()
		for id, want := range map[string][2]bool{"V1": {true, false}, "V2": {}, "V3": {false, true}, "V4": {}} {
			for i, kind := range []Kind{Vehicle, Party} {
				for range 2 { // the second answer may come from the negatives
					if got := l.Has(kind, []byte(id)); got != want[i] {
						t.Errorf("Has(%s, %s) = %v, want %v", kind, id, got, want[i])
					}
				}
			}
		}
		if e, ok := l.Lookup(Vehicle, []byte("V2")); !ok || e.Erased != 10 || e.Returned != 20 {
			t.Errorf("V2 is %+v, %v: erased at 10 and back at 20 expected", e, ok)
		}
		if l.Len() != 2 || len(l.All()) != 3 {
			t.Errorf("%d erased of %d entries, want 2 of 3", l.Len(), len(l.All()))
		}
	}
	check(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, fs))
	read, err := Read(fs, "data/erased.list")
	if err != nil {
		t.Fatal(err)
	}
	check(read)
	if err := fs.MkdirAll("other", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Copy(fs, "data/erased.list", fs, "other"); err != nil {
		t.Fatal(err)
	}
	copied, err := Open(fs, "other")
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	check(copied)
}

// An id that was known not to be erased must be found as soon as it is.
func TestAddEndsWhatWasKnown(t *testing.T) {
	l := NewMemory()
	if err := l.Add(1, Vehicle, []byte("other")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 200 {
		id := fmt.Appendf(nil, "V%d", i)
		for range 2 {
			wg.Go(func() {
				for range 100 {
					l.Has(Vehicle, id)
				}
			})
		}
		wg.Go(func() {
			if err := l.Add(2, Vehicle, id); err != nil {
				t.Error(err)
			}
			if !l.Has(Vehicle, id) {
				t.Errorf("%s is not erased right after it was", id)
			}
		})
	}
	wg.Wait()
}

func TestListNamesNobody(t *testing.T) {
	fs := memory(t)
	l := open(t, fs)
	vin := []byte("LSVAA49J132000001")
	if err := l.Add(1, Vehicle, vin); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ListFile, KeyFile} {
		b, err := readFile(fs, "data/"+name)
		if err != nil || len(b) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(b), err)
		}
		if bytes.Contains(b, vin) {
			t.Errorf("%s names the vehicle", name)
		}
	}
	other := memory(t)
	if l.Hash(Vehicle, vin) == open(t, other).Hash(Vehicle, vin) {
		t.Error("two installations have the same hash of a vehicle: it can be guessed")
	}
}

// Whatever is kept of what was not synced: what was added is there, and what was not whole is not.
func TestListSurvivesCrashes(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		fs := memory(t)
		want := map[string]bool{}
		for range 4 {
			l, err := Open(fs, "data")
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for id, erased := range want {
				if l.Has(Vehicle, []byte(id)) != erased {
					t.Fatalf("seed %d: %s: erased %v expected after a crash", seed, id, erased)
				}
			}
			for range rnd.IntN(4) {
				id := fmt.Sprintf("V%d", rnd.IntN(5))
				if want[id] = rnd.IntN(3) > 0; want[id] {
					err = l.Add(int64(rnd.IntN(100)), Vehicle, []byte(id), []byte("x"+id))
				} else {
					err = l.Return(int64(rnd.IntN(100)), Vehicle, []byte(id))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			f := l.files.list // what a crash cuts short: written, not synced
			c := change{op: opErased, kind: Vehicle, hash: l.Hash(Vehicle, []byte("torn"))}
			if _, err := f.WriteAt(c.append(nil, 0)[:1+rnd.IntN(recordSize)], l.files.size); err != nil {
				t.Fatal(err)
			}
			fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rnd.IntN(101), RNG: rnd})
		}
	}
}

func TestDamageIsRefused(t *testing.T) {
	fs := memory(t)
	l := open(t, fs)
	for i := range 3 {
		if err := l.Add(1, Vehicle, fmt.Appendf(nil, "V%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := readFile(fs, "data/"+ListFile)
	for at, refused := range map[int]bool{0: true, 9: true, 8 + recordSize + 20: true, 8 + 2*recordSize + 20: false} {
		bad := slices.Clone(b)
		bad[at] ^= 1
		if err := replaceFile(fs, "data/"+ListFile, bad); err != nil {
			t.Fatal(err)
		}
		got, err := Open(fs, "data")
		if (err != nil) != refused {
			t.Errorf("byte %d changed: %v, refused %v expected", at, err, refused)
		}
		if err == nil {
			_ = got.Close()
		}
	}
	if err := replaceFile(fs, "data/"+ListFile, b); err != nil {
		t.Fatal(err)
	}
	if err := fs.Remove("data/" + KeyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(fs, "data"); err == nil || !strings.Contains(err.Error(), KeyFile) {
		t.Errorf("a list without its key: %v", err)
	}
	if _, err := Read(fs, "nowhere/erased.list"); !os.IsNotExist(err) && err == nil {
		t.Error("a list that is not there was read")
	}
}

func TestPending(t *testing.T) {
	fs := memory(t)
	p, err := OpenPending(fs, "data")
	if err != nil {
		t.Fatal(err)
	}
	a, b := Job{Vehicle, "V1", 1}, Job{Party, "O1", 2}
	if err := p.Put(a, b, Job{Vehicle, "V1", 3}); err != nil {
		t.Fatal(err)
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if p, err = OpenPending(crashed, "data"); err != nil || !slices.Equal(p.All(), []Job{a, b}) {
		t.Fatalf("after a crash: %v, %v", p.All(), err)
	}
	if err := p.Done(a); err != nil {
		t.Fatal(err)
	}
	crashed = crashed.CrashClone(vfs.CrashCloneCfg{})
	if p, err = OpenPending(crashed, "data"); err != nil || !slices.Equal(p.All(), []Job{b}) {
		t.Fatalf("after a crash: %v, %v", p.All(), err)
	}
	if got, _ := readFile(crashed, "data/"+PendingFile); bytes.Contains(got, []byte("V1")) {
		t.Error("a job that is done is still named")
	}
}

func BenchmarkHas(b *testing.B) {
	l := NewMemory()
	id := []byte("LSVAA49J132000001")
	b.Run("empty", func(b *testing.B) {
		for b.Loop() {
			l.Has(Vehicle, id)
		}
	})
	if err := l.Add(1, Vehicle, []byte("x")); err != nil {
		b.Fatal(err)
	}
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.Has(Vehicle, id)
		}
	})
	b.Run("hash", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.Hash(Vehicle, id)
		}
	})
}
