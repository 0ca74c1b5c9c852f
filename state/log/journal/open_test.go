package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

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

func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name     string
		keep     time.Duration
		maxBytes int64
		age      time.Duration // of the records when they may go
		trim     log.Offset
		removed  bool
	}{
		{"trimmed", 0, 0, 0, 1000, true},
		{"not trimmed", 0, 1, 30 * day, 0, false},
		{"young", 7 * day, 0, 6 * day, 1000, false},
		{"old", 7 * day, 0, 8 * day, 1000, true},
		{"young, too large", 7 * day, 8 << 10, 0, 1000, true},
		{"young, not too large", 7 * day, 1 << 30, 0, 1000, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			arrival := time.UnixMilli(1_700_000_000_000)
			o := Options{
				FS: vfs.NewMem(), Dir: "journal", Shards: testShards, SegmentBytes: 4 << 10,
				Keep: tc.keep, MaxBytes: tc.maxBytes, Now: func() time.Time { return arrival.Add(tc.age) },
			}
			j := mustOpen(t, o)
			appendAt(t, j, arrival)
			before := j.Stats()
			j.Trim(part0, tc.trim)
			// What Trim asks for is done before what is appended after it.
			for range 2 {
				appendAt(t, j, arrival)
			}
			after := j.Stats()
			if removed := after.FirstFrame > before.FirstFrame; removed != tc.removed {
				t.Errorf("first frame was %d and is %d, want removal %v", before.FirstFrame, after.FirstFrame, tc.removed)
			}
			if tc.maxBytes == 8<<10 && tc.removed && after.SegmentBytes < 4<<10 {
				t.Errorf("%d bytes are left, want about the bound of %d", after.SegmentBytes, tc.maxBytes)
			}
		})
	}
}

// appendAt appends 1,000 durable records that arrived at a time.
func appendAt(t *testing.T, j *Journal, arrival time.Time) {
	t.Helper()
	for range 100 {
		recs := make([]log.Record, 10)
		for i := range recs {
			recs[i] = log.Record{Kind: log.Event, Arrival: arrival.UnixMilli(), Key: []byte("V1"), Payload: make([]byte, 20)}
		}
		off, err := j.Append(part0, recs, log.Ack{})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.WaitDurable(testContext, part0, off+10); err != nil {
			t.Fatal(err)
		}
	}
}

// TestViewsStay: the records of a reader's last batch stay what they are while the journal goes on and
// its frames in memory are used again.
func TestViewsStay(t *testing.T) {
	j := mustOpen(t, Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards, Memory: 1})
	record := func(i int) []log.Record {
		return []log.Record{{Kind: log.Event, Payload: bytes.Repeat([]byte{byte(i)}, 1000)}}
	}
	r, err := j.Read(part0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 100 {
		if _, err := j.Append(part0, record(i), log.Ack{}); err != nil {
			t.Fatal(err)
		}
		_, recs, err := r.Read(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for k := range 20 {
			if _, err := j.Append(log.Partition{Stream: log.Notices}, record(200), log.Ack{}); err != nil {
				t.Fatal(err)
			}
			if err := j.WaitDurable(t.Context(), log.Partition{Stream: log.Notices}, log.Offset(20*i+k+1)); err != nil {
				t.Fatal(err)
			}
		}
		if want := record(i)[0]; !bytes.Equal(recs[0].Payload, want.Payload) {
			t.Fatalf("record %d changed while it was in use", i)
		}
	}
}

// TestArchiveOrder: what was appended after a read of its cause comes after it, across partitions, while
// the journal is being written.
func TestArchiveOrder(t *testing.T) {
	o := Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards, SegmentBytes: 4 << 10}
	j := mustOpen(t, o)
	notices := log.Partition{Stream: log.Notices}
	r, err := j.Read(part0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const n = 300
	done := make(chan error, 1)
	go func() {
		for i := 0; i < n; i++ {
			off, recs, err := r.Read(testContext, 1)
			if err == nil {
				_, err = j.Append(notices, []log.Record{{Kind: log.Handover, Seq: uint64(off), Key: recs[0].Key}}, log.Ack{})
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range n {
		if _, err := j.Append(part0, []log.Record{{Kind: log.Event, Key: fmt.Appendf(nil, "V%d", i)}}, log.Ack{}); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			checkCauses(t, o, 0)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := j.WaitDurable(t.Context(), notices, n); err != nil {
		t.Fatal(err)
	}
	checkCauses(t, o, n)
}

// checkCauses reads the archive, which must hold at least so many notices, none before its event.
func checkCauses(t *testing.T, o Options, least int) {
	t.Helper()
	a, err := OpenReadOnly(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var events log.Offset
	notices := 0
	for e, err := range a.All() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Partition == part0 {
			events++
			continue
		}
		notices++
		if log.Offset(e.Record.Seq) >= events {
			t.Fatalf("notice of event %d comes after %d events", e.Record.Seq, events)
		}
	}
	if notices < least {
		t.Errorf("%d notices, want %d", notices, least)
	}
}

func TestArchiveOfNothing(t *testing.T) {
	if _, err := OpenReadOnly(nil, t.TempDir()); err == nil || !strings.Contains(err.Error(), "no journal") {
		t.Errorf("error is %v, want that there is no journal", err)
	}
}

func TestStats(t *testing.T) {
	j := mustOpen(t, Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards, SegmentBytes: 4 << 10, Memory: 1})
	appendAt(t, j, time.UnixMilli(1))
	r, err := j.Read(part0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, err := r.Poll(1); err != nil {
		t.Fatal(err)
	}
	s := j.Stats()
	if s.Records != 1000 || s.Frames != 100 || s.Syncs.Count < 100 || s.LastFrame != 100 || s.FirstFrame != 1 ||
		s.Segments < 5 || s.SegmentBytes < int64(s.Bytes) || s.DiskFrames == 0 || s.UnsyncedBytes != 0 {
		t.Errorf("stats are %+v", s)
	}
}

func TestDurations(t *testing.T) {
	var d Durations
	for i := 1; i <= 1000; i++ {
		d.observe(time.Duration(i) * time.Millisecond)
	}
	d.observe(10 * time.Minute)
	for _, tc := range []struct {
		q    float64
		want time.Duration
	}{{0.5, 500 * time.Millisecond}, {0.99, 990 * time.Millisecond}, {0.001, 2 * time.Millisecond}} {
		if got := d.Quantile(tc.q); got < tc.want || got > tc.want*3/2 {
			t.Errorf("quantile %v is %v, want %v to half more", tc.q, got, tc.want)
		}
	}
	if d.Count != 1001 || d.Max != 10*time.Minute || d.Quantile(1) != d.Max {
		t.Errorf("count %d, max %v, last quantile %v", d.Count, d.Max, d.Quantile(1))
	}
	for i := range durationBuckets - 1 {
		if DurationBound(i) >= DurationBound(i+1) {
			t.Errorf("bound %d is not below the next", i)
		}
	}
}

// TestRemovalsAreOrdered: each removal of a segment is durable before the next, so that a power cut
// cannot leave a gap (the crashable file system forgets unsynced removals only all together).
func TestRemovalsAreOrdered(t *testing.T) {
	var mu sync.Mutex
	var ops []errorfs.OpKind
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind == errorfs.OpRemove || op.Kind == errorfs.OpFileSync {
			ops = append(ops, op.Kind)
		}
		return nil
	}))
	j := mustOpen(t, Options{FS: fs, Dir: "journal", Shards: testShards, SegmentBytes: 4 << 10})
	appendAt(t, j, time.UnixMilli(1))
	j.Trim(part0, 1000)
	appendAt(t, j, time.UnixMilli(1))
	mu.Lock()
	defer mu.Unlock()
	removed := 0
	for i, op := range ops {
		if op == errorfs.OpRemove {
			removed++
			if i+1 == len(ops) || ops[i+1] != errorfs.OpFileSync {
				t.Fatalf("removal %d is not followed by a sync", removed)
			}
		}
	}
	if removed < 2 {
		t.Errorf("%d removals, want some", removed)
	}
}

// TestBackpressure: appends block while too much waits for a slow disk, and go on after it.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, size, appends = 10 << 10, 1 << 10, 200
		disk := make(chan struct{})
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSyncData {
				<-disk
			}
			return nil
		}))
		j := mustOpen(t, Options{FS: fs, Dir: "journal", Shards: testShards, MaxUnsynced: limit})
		var returned atomic.Int64
		var wg sync.WaitGroup
		for range appends {
			wg.Go(func() {
				if _, err := j.Append(part0, []log.Record{{Kind: log.Event, Payload: make([]byte, size)}}, log.Ack{}); err != nil {
					t.Error(err)
				}
				returned.Add(1)
			})
		}
		synctest.Wait()
		if n := returned.Load(); n < limit/size-1 || n > limit/size+1 {
			t.Errorf("%d appends of %d bytes returned, want about %d", n, size, limit/size)
		}
		close(disk)
		wg.Wait()
	})
}

// TestScannerReadsAgain: a frame that was not yet complete when its bytes were read ahead is found later.
func TestScannerReadsAgain(t *testing.T) {
	fs := vfs.NewMem()
	h := segmentHeader{id: fuzzID, shards: testShards, first: 1, base: make([]log.Offset, testShards.total())}
	first, second := sampleFrame(1), sampleFrame(2)
	f, err := fs.OpenReadWrite(segmentName(1), writeCategory)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(slices.Concat(h.encode(), first, make([]byte, len(second)))); err != nil {
		t.Fatal(err)
	}
	seg, err := openSegment(fs, segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newScanner(fs, seg, noEnd)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, _, _, err := s.frame(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(second, seg.start+int64(len(first))); err != nil {
		t.Fatal(err)
	}
	if h, _, _, err := s.frame(); err != nil || h.seq != 2 {
		t.Fatalf("frame %d, error %v, want the second", h.seq, err)
	}
}
