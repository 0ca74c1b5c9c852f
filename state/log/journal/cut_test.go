package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/log"
)

// TestPin: while somebody copies, retention removes nothing; then it does.
func TestPin(t *testing.T) {
	j := mustOpen(t, Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards, SegmentBytes: 4 << 10})
	release, other := j.Pin(), j.Pin()
	arrival := time.UnixMilli(1)
	appendAt(t, j, arrival)
	j.Trim(part0, 1000)
	other()
	appendAt(t, j, arrival)
	if first := j.Stats().FirstFrame; first != 1 {
		t.Errorf("first frame is %d while pinned, want 1", first)
	}
	release()
	for range 2 { // what is asked for is done before what is appended after it
		appendAt(t, j, arrival)
	}
	if first := j.Stats().FirstFrame; first == 1 {
		t.Error("nothing was removed after the release")
	}
}

// TestCutUnderLoad: files copied while the journal is written are a journal that ends where the cut says, or
// after, and that holds every record before that.
func TestCutUnderLoad(t *testing.T) {
	fs := vfs.NewMem()
	j := mustOpen(t, Options{FS: fs, Dir: "journal", Shards: testShards, SegmentBytes: 4 << 10})
	var wg sync.WaitGroup
	defer wg.Wait()
	for part := range testShards.total() {
		wg.Go(func() {
			p := testShards.partition(part)
			for off := log.Offset(0); off < 1000; off++ {
				_, err := j.Append(p, []log.Record{modelRecord(p, off)}, log.Ack{})
				if err == nil && off%8 == 0 { // else they would be over before the first cut
					err = j.WaitDurable(testContext, p, off)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range 10 {
		from := log.Offset(50 * n)
		for part := range testShards.total() {
			if err := j.WaitDurable(testContext, testShards.partition(part), from+40); err != nil {
				t.Fatal(err)
			}
		}
		release := j.Pin()
		c, err := j.Cut(func(log.Partition) log.Offset { return from })
		if err != nil {
			t.Fatal(err)
		}
		dir := fmt.Sprint("copy", n)
		copyCut(t, fs, c, dir)
		release()
		checkCut(t, fs, c, dir, from)
	}
}

func copyCut(t *testing.T, fs vfs.FS, c Cut, dir string) {
	t.Helper()
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Files {
		in, err := fs.Open(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err := errors.Join(err, in.Close()); err != nil {
			t.Fatal(err)
		}
		if !f.Sealed {
			b = b[:f.Size]
		}
		out, err := fs.Create(fs.PathJoin(dir, f.Name), writeCategory)
		if err != nil {
			t.Fatal(err)
		}
		_, err = out.Write(b)
		if err := errors.Join(err, out.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func checkCut(t *testing.T, fs vfs.FS, c Cut, dir string, from log.Offset) {
	t.Helper()
	j := mustOpen(t, Options{FS: fs, Dir: dir, Shards: testShards})
	defer j.Close()
	if j.ID() != c.ID {
		t.Errorf("the copy has id %x, want %x", j.ID(), c.ID)
	}
	for part, end := range c.Ends {
		p := testShards.partition(part)
		first, next := j.Range(p)
		if first > from || next < end {
			t.Fatalf("%v: the copy has %d to %d, want %d to %d", p, first, next, from, end)
		}
		r, err := j.Read(p, from)
		if err != nil {
			t.Fatal(err)
		}
		for off := from; off < end; {
			at, recs, err := r.Poll(100)
			if err != nil || at != off {
				t.Fatalf("%v: %d records at %d: %v, want those at %d", p, len(recs), at, err, off)
			}
			for i := range recs {
				if want := modelRecord(p, off); !bytes.Equal(recs[i].Payload, want.Payload) {
					t.Fatalf("%v/%d is %q, want %q", p, off, recs[i].Payload, want.Payload)
				}
				off++
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCutBeyond: a store that stands where the log has nothing is no store of this log.
func TestCutBeyond(t *testing.T) {
	j := mustOpen(t, Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards})
	if _, err := j.Cut(func(log.Partition) log.Offset { return 1 }); err == nil {
		t.Error("a cut from beyond the end was made")
	}
}
