package journal

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/state/log"
)

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
