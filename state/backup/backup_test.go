package backup_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/backup"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
	"github.com/milepost-io/milepost/state/statetest"
)

var shards = journal.Shards{Events: 2, Notices: 2}

const (
	data = "/data"
	dir  = "/backup"
)

// engine is journal and shards of both stages on a data folder.
type engine struct {
	t       *testing.T
	fs      vfs.FS
	journal *journal.Journal
	stores  []*state.Store
	shards  []*state.Shard
	stop    func()
}

func partitions() (ps []log.Partition) {
	for i := range shards.Events {
		ps = append(ps, log.Partition{Stream: log.Events, Shard: uint16(i)})
	}
	for i := range shards.Notices {
		ps = append(ps, log.Partition{Stream: log.Notices, Shard: uint16(i)})
	}
	return ps
}

func folder(p log.Partition) string { return fmt.Sprintf("state/%s-%02d", p.Stream, p.Shard) }

func start(t *testing.T, fs vfs.FS) *engine {
	t.Helper()
	e := &engine{t: t, fs: fs}
	j, err := journal.Open(journal.Options{FS: fs, Dir: data + "/journal", Shards: shards, SegmentBytes: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	e.journal = j
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, p := range partitions() {
		st, err := state.OpenStore(state.StoreOptions{Dir: data + "/" + folder(p), FS: fs, Cache: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		o := state.ShardOptions{
			Log: j, Store: st, Step: &statetest.Rules{}, Stage: p.Stream, Shard: p.Shard,
			Now: func() int64 { return time.Now().UnixMilli() }, Interval: 5 * time.Millisecond,
		}
		if p.Stream == log.Notices {
			o.Step = &statetest.Notify{}
		}
		s, err := state.NewShard(o)
		if err != nil {
			t.Fatal(err)
		}
		e.stores, e.shards = append(e.stores, st), append(e.shards, s)
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	e.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		for _, s := range e.stores {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(e.stop)
	return e
}

// feed appends n events.
func (e *engine) feed(n int) {
	e.t.Helper()
	for i := range n {
		key := []byte(fmt.Sprint("V", i%50))
		p := log.Partition{Stream: log.Events, Shard: log.ShardOf(key, shards.Events)}
		rec := log.Record{Kind: log.Event, Arrival: time.Now().UnixMilli(), Key: key, Payload: fmt.Append(nil, "O", i%7)}
		off, err := e.journal.Append(p, []log.Record{rec}, log.Ack{})
		if err == nil && i%16 == 0 {
			err = e.journal.WaitDurable(e.t.Context(), p, off+1)
		}
		if err != nil {
			e.t.Fatal(err)
		}
	}
}

// flushed waits until the stores stand somewhere.
func (e *engine) flushed() {
	e.t.Helper()
	for _, s := range e.shards {
		for s.Flushed() == 0 {
			select {
			case <-e.t.Context().Done():
				e.t.Fatal("no store was written")
			case <-time.After(time.Millisecond):
			}
		}
	}
}

func (e *engine) options() backup.TakeOptions {
	o := backup.TakeOptions{FS: e.fs, Dir: dir, Data: data, Journal: e.journal, Build: "test", Source: "/test", Time: time.UnixMilli(1)}
	for i, p := range partitions() {
		o.Stores = append(o.Stores, backup.Source{Partition: p, Folder: folder(p), Checkpoint: e.stores[i].Checkpoint})
	}
	return o
}

// taken is a backup of an engine that is at work, on a file system of its own.
func taken(t *testing.T) (*vfs.MemFS, *backup.Manifest) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	e := start(t, fs)
	e.feed(2000)
	e.flushed()
	m, err := backup.Take(t.Context(), e.options())
	if err != nil {
		t.Fatal(err)
	}
	e.stop()
	fs = fs.CrashClone(vfs.CrashCloneCfg{})
	if err := fs.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	return fs, m
}

func verify(t *testing.T, fs vfs.FS) *backup.Check {
	t.Helper()
	c, err := backup.Verify(t.Context(), fs, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func restore(t *testing.T, fs vfs.FS, c *backup.Check) (log.ID, error) {
	t.Helper()
	return backup.Restore(t.Context(), backup.RestoreOptions{FS: fs, Dir: dir, Check: c, Data: data, Shards: shards})
}

// change rewrites a file; nil removes it.
func change(t *testing.T, fs vfs.FS, path string, edit func([]byte) []byte) {
	t.Helper()
	b, err := state.ReadFile(fs, path)
	if err != nil {
		t.Fatal(err)
	}
	if edit == nil {
		err = fs.Remove(path)
	} else {
		err = state.ReplaceFile(fs, path, edit(b))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 0x20
		return b
	}
}

// A backup of an engine that takes records all the while holds all that was durable before it.
func TestUnderLoad(t *testing.T) {
	fs := vfs.NewMem()
	e := start(t, fs)
	e.feed(500)
	e.flushed()
	var before [4]log.Offset
	for i, p := range partitions() {
		before[i] = e.journal.Durable(p)
	}
	var wg sync.WaitGroup
	wg.Go(func() { e.feed(3000) })
	var did, expected int64
	o := e.options()
	o.Did, o.Expect = func(n int64) { did += n }, func(n int64) { expected = n }
	m, err := backup.Take(t.Context(), o)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for i, end := range m.Ends {
		if end < before[i] || m.Stores[i].Next == 0 || m.Stores[i].Next > end {
			t.Errorf("%s stands at %d, the log ends at %d, and %d was durable before", m.Stores[i].Folder, m.Stores[i].Next, end, before[i])
		}
	}
	if did == 0 || expected == 0 {
		t.Errorf("%d of %d bytes were told", did, expected)
	}
	if c := verify(t, fs); c.Err(false) != nil {
		t.Error(c.Err(false))
	}
	if _, err := fs.Stat(data + "/" + backup.StageDir); err == nil {
		t.Error("the staged checkpoints are still there")
	}
}

// Idle and empty engines have backups too; what is restored starts, under another id.
func TestRestoreStarts(t *testing.T) {
	for _, n := range []int{0, 100} {
		t.Run(fmt.Sprint(n, " events"), func(t *testing.T) {
			fs := vfs.NewMem()
			e := start(t, fs)
			e.feed(n)
			if _, err := backup.Take(t.Context(), e.options()); err != nil {
				t.Fatal(err)
			}
			was, received := e.journal.ID(), e.journal.Received()
			e.stop()
			if err := fs.RemoveAll(data); err != nil {
				t.Fatal(err)
			}
			id, err := restore(t, fs, verify(t, fs))
			if err != nil {
				t.Fatal(err)
			}
			r := start(t, fs)
			if r.journal.ID() != id || id == was {
				t.Errorf("log %x, restored as %x, was %x", r.journal.ID(), id, was)
			}
			if r.journal.Received() != received {
				t.Errorf("received %d, want %d", r.journal.Received(), received)
			}
			r.feed(100)
		})
	}
}

// A flipped byte in any file of the backup is found, and the file is named.
func TestFlippedByte(t *testing.T) {
	fs, m := taken(t)
	for _, f := range m.Files {
		if f.Size == 0 {
			continue
		}
		path := fs.PathJoin(dir, f.Path)
		for _, at := range []int{0, int(f.Size) / 2, int(f.Size) - 1} {
			change(t, fs, path, flip(at))
			if err := verify(t, fs).Err(false); err == nil || !strings.Contains(err.Error(), f.Path) {
				t.Errorf("byte %d of %s flipped: error %v", at, f.Path, err)
			}
			change(t, fs, path, flip(at))
		}
	}
	if err := verify(t, fs).Err(false); err != nil {
		t.Fatal(err)
	}
	path := fs.PathJoin(dir, backup.ManifestFile)
	b, err := state.ReadFile(fs, path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range b {
		change(t, fs, path, flip(at))
		if _, err := backup.ReadManifest(fs, dir); err == nil {
			t.Errorf("byte %d of the manifest flipped: not found", at)
		}
		change(t, fs, path, flip(at))
	}
}

// A missing or short file is refused by name, whatever is accepted of the log.
func TestMissingFile(t *testing.T) {
	fs, m := taken(t)
	for i, f := range m.Files {
		path := fs.PathJoin(dir, f.Path)
		var kept []byte
		change(t, fs, path, func(b []byte) []byte {
			kept = slices.Clone(b)
			return b
		})
		change(t, fs, path, nil)
		c := verify(t, fs)
		if err := c.Err(false); err == nil || !strings.Contains(err.Error(), f.Path+": it is missing") {
			t.Errorf("%s is missing: error %v", f.Path, err)
		}
		if store := strings.HasPrefix(f.Path, "state/"); (c.Err(true) != nil) != store {
			t.Errorf("%s is missing: with --accept-gap %v", f.Path, c.Err(true))
		}
		if err := state.ReplaceFile(fs, path, append(slices.Clone(kept), byte(i))); err != nil {
			t.Fatal(err)
		}
		if err := verify(t, fs).Err(false); err == nil || !strings.Contains(err.Error(), "bytes, the manifest says") {
			t.Errorf("%s is longer: error %v", f.Path, err)
		}
		if err := state.ReplaceFile(fs, path, kept); err != nil {
			t.Fatal(err)
		}
	}
}

// With a damaged log the refusal says what would be lost, and what is accepted is lost and no more.
func TestAcceptGap(t *testing.T) {
	for _, which := range []string{"first", "last"} {
		t.Run(which, func(t *testing.T) {
			fs, m := taken(t)
			seg := m.Segments[0].Name
			if which == "last" {
				seg = m.Segments[len(m.Segments)-1].Name
			}
			change(t, fs, fs.PathJoin(dir, "journal", seg), nil)
			c := verify(t, fs)
			lost := log.Offset(0)
			for _, g := range c.Gaps {
				lost += g.To - g.From
			}
			if err := c.Err(false); err == nil || which == "first" && lost == 0 || !strings.Contains(err.Error(), "--accept-gap") || !strings.Contains(err.Error(), c.Loss()) {
				t.Fatalf("%d records lost, error %v", lost, err)
			}
			if _, err := restore(t, fs, c); err != nil {
				t.Fatal(err)
			}
			e := start(t, fs)
			for i, p := range partitions() {
				want := m.Ends[i]
				for _, g := range c.Gaps {
					if g.Partition == p {
						want = g.From
					}
				}
				// The shard has appended its start, and perhaps a tick or what it handed over.
				if _, next := e.journal.Range(p); next < want || next > want+2000 {
					t.Errorf("%s goes on at %d, want %d and a little", folder(p), next, want)
				}
			}
			e.feed(100)
		})
	}
}

// What Take and Restore refuse before they write anything.
func TestRefused(t *testing.T) {
	fs := vfs.NewMem()
	e := start(t, fs)
	wants := func(err error, part string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want one with %q", err, part)
		}
	}
	o := e.options()
	o.Dir = data + "/backup"
	_, err := backup.Take(t.Context(), o)
	wants(err, "outside of the data folder")
	o.Dir = "/some"
	if err := state.ReplaceFile(fs, "/some", nil); err != nil {
		t.Fatal(err)
	}
	if err := fs.Remove("/some"); err != nil {
		t.Fatal(err)
	}
	if err := fs.MkdirAll("/some/journal", 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = backup.Take(t.Context(), o)
	wants(err, "not empty and holds no complete backup")
	_, err = backup.Verify(t.Context(), fs, "/some", nil)
	wants(err, "the backup was interrupted, or this is none")

	o.Dir = dir
	if _, err := backup.Take(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	_, err = backup.Take(t.Context(), o)
	wants(err, "holds a backup already")
	c := verify(t, fs)
	_, err = restore(t, fs, c)
	wants(err, "is not empty")
	_, err = backup.Restore(t.Context(), backup.RestoreOptions{FS: fs, Dir: dir, Check: c, Data: "/other", Shards: journal.Shards{Events: 4, Notices: 4}})
	wants(err, "the backup has 2 and 2 shards, the configuration asks for 4 and 4")
	_, err = backup.Restore(t.Context(), backup.RestoreOptions{FS: fs, Dir: dir, Check: c, Data: dir + "/data", Shards: shards})
	wants(err, "must not lie in each other")
}

// A backup that fails or is stopped leaves nothing behind, and the engine trims its log again.
func TestFailedBackup(t *testing.T) {
	full := errors.New("no space left on device")
	mem := vfs.NewMem()
	var writes int
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.HasPrefix(op.Path, dir) {
			if writes++; writes > 5 {
				return full
			}
		}
		return nil
	}))
	e := start(t, fs)
	e.feed(100)
	check := func(ctx context.Context, want error) {
		t.Helper()
		if _, err := backup.Take(ctx, e.options()); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
		if names, err := mem.List(dir); err == nil && len(names) > 0 {
			t.Errorf("%q is left", names)
		}
	}
	check(t.Context(), full)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	writes = -1 << 30
	check(ctx, context.Canceled)
	if _, err := backup.Take(t.Context(), e.options()); err != nil {
		t.Error(err)
	}
}

// Where there are no hard links there are copies.
func TestOtherFileSystem(t *testing.T) {
	fs := vfs.NewMem()
	noLinks := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpLink {
			return errors.New("invalid cross-device link")
		}
		return nil
	}))
	e := start(t, noLinks)
	e.feed(1000)
	e.flushed()
	if _, err := backup.Take(t.Context(), e.options()); err != nil {
		t.Fatal(err)
	}
	if err := verify(t, fs).Err(false); err != nil {
		t.Error(err)
	}
}

// A manifest whose files lead out of the backup is none.
func TestHostileManifest(t *testing.T) {
	fs, _ := taken(t)
	path := fs.PathJoin(dir, backup.ManifestFile)
	change(t, fs, path, func(b []byte) []byte {
		line, _, _ := strings.Cut(string(b), "\n")
		line = strings.Replace(line, `"path":"journal/`, `"path":"../../`, 1) + "\n"
		return []byte(line + backup.SealOf([]byte(line)))
	})
	if _, err := backup.ReadManifest(fs, dir); err == nil || !strings.Contains(err.Error(), "leads out of the backup") {
		t.Errorf("error %v", err)
	}
}
