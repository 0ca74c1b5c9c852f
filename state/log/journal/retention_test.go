package journal

import (
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/state/log"
)

func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name     string
		keep     time.Duration
		maxBytes int64
		age      time.Duration // of the records when they may go
		trim     log.Offset
		removed  bool
		shed     int64
	}{
		{"trimmed", 0, 0, 0, 1000, true, 0},
		{"not trimmed", 0, 1, 30 * day, 0, false, 0},
		{"young", 7 * day, 0, 6 * day, 1000, false, 0},
		{"old", 7 * day, 0, 8 * day, 1000, true, 0},
		{"young, too large", 7 * day, 8 << 10, 0, 1000, true, 0},
		{"young, not too large", 7 * day, 1 << 30, 0, 1000, false, 0},
		{"young, room is short", 7 * day, 0, 0, 1000, true, 8 << 10},
		{"not trimmed, room is short", 7 * day, 0, 0, 0, false, 8 << 10},
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
			j.Shed(tc.shed)
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
