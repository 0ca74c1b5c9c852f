package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/log"
)

func TestOpenRefuses(t *testing.T) {
	fs := vfs.NewMem()
	good := Options{FS: fs, Dir: "journal", Shards: Shards{Events: 4, Notices: 3}}
	mustOpen(t, good).Close()
	for _, tc := range []struct {
		name string
		set  func(*Options)
		want []string
	}{
		{"other counts", func(o *Options) { o.Shards = Shards{Events: 8, Notices: 3} }, []string{"4", "3", "8", "cannot be changed"}},
		{"no partitions", func(o *Options) { o.Shards.Notices = 0 }, []string{"0 partitions of notices", "1 to 1024"}},
		{"too many", func(o *Options) { o.Shards.Events = 1025 }, []string{"1025 partitions of events"}},
		{"no folder", func(o *Options) { o.Dir = "" }, []string{"no folder"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := good
			tc.set(&o)
			_, err := Open(o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestOpenTwice(t *testing.T) {
	for _, o := range []Options{
		{FS: vfs.NewMem(), Dir: "journal", Shards: testShards},
		{Dir: t.TempDir(), Shards: testShards},
	} {
		j := mustOpen(t, o)
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("second open: %v, want that it is in use", err)
		}
		j.Close()
		mustOpen(t, o)
	}
}

// TestRestartsLeaveFewFiles: what each start begins anew must not pile up.
func TestRestartsLeaveFewFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "journal")
	o := Options{Dir: dir, Shards: testShards}
	for range 20 {
		j := mustOpen(t, o)
		if _, err := j.Append(part0, []log.Record{{Kind: log.Start}}, log.Ack{}); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 { // the segment and the lock
		t.Errorf("%d files after 20 starts, want 2", len(files))
	}
	if _, next := mustOpen(t, o).Range(part0); next != 20 {
		t.Errorf("the log ends at %d, want 20", next)
	}
}

// TestLongTailIsNotCopiedWhole: only the frames that may not be durable are.
func TestLongTailIsNotCopiedWhole(t *testing.T) {
	o := Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards, SegmentBytes: 64 << 10}
	j := mustOpen(t, o)
	payload := make([]byte, 1<<10)
	for i := range log.Offset(40) {
		if _, err := j.Append(part0, []log.Record{{Kind: log.Event, Seq: uint64(i), Payload: payload}}, log.Ack{}); err != nil {
			t.Fatal(err)
		}
		if err := j.WaitDurable(testContext, part0, i+1); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	j = mustOpen(t, o)
	if len(j.segments) != 2 || j.segments[1].first != 40 {
		t.Fatalf("%d segments, the last from frame %d, want 2 and 40", len(j.segments), j.segments[len(j.segments)-1].first)
	}
	r, err := j.Read(part0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range log.Offset(40) {
		off, recs, err := r.Poll(1)
		if err != nil || off != i || recs[0].Seq != uint64(i) {
			t.Fatalf("read at %d: offset %d, error %v", i, off, err)
		}
	}
	if j.Received() != 40 {
		t.Errorf("received %d, want 40", j.Received())
	}
}

// TestOpensTheFormatBefore: a journal of the last version is read and goes on in this one; one of a later
// version is refused by its number.
func TestOpensTheFormatBefore(t *testing.T) {
	o, segs := written(t, 30)
	version := func(v uint32) {
		t.Helper()
		for _, s := range segs {
			change(t, o.FS, s.path, func(b []byte) []byte {
				le.PutUint32(b[16:], v)
				le.PutUint32(b[8:], checksum(b[:s.start], 8))
				return b
			})
		}
	}
	version(formatVersion + 1)
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "format version is 3, this build reads 1 and 2") {
		t.Errorf("a later format: %v", err)
	}
	version(formatVersion - 1)
	for range 2 {
		j := mustOpen(t, o)
		_, next := j.Range(part0)
		if _, err := j.Append(part0, []log.Record{{Kind: log.Event, Seq: 7, Rising: true}}, log.Ack{}); err != nil {
			t.Fatal(err)
		}
		r, err := j.Read(part0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for at := log.Offset(0); at <= next; {
			_, recs, err := r.Read(testContext, 100)
			if err != nil {
				t.Fatal(err)
			}
			at += log.Offset(len(recs))
			if at > next && !recs[len(recs)-1].Rising {
				t.Error("the new record has lost its flag")
			}
		}
		r.Close()
		j.Close()
	}
}
