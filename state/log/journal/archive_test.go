package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/log"
)

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

// TestArchiveFrom: what is asked for, whatever segment it is in, and an error for what is not kept.
func TestArchiveFrom(t *testing.T) {
	o := Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards, SegmentBytes: 4 << 10, Keep: 1000 * time.Hour}
	j := mustOpen(t, o)
	const n = 400
	parts := []log.Partition{part0, {Stream: log.Notices}}
	for i := range n {
		rec := log.Record{Kind: log.Event, Payload: make([]byte, 100)}
		off, err := j.Append(parts[i%2], []log.Record{rec}, log.Ack{})
		if err == nil {
			err = j.WaitDurable(t.Context(), parts[i%2], off+1) // a frame each
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := OpenReadOnly(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.segs) < 5 {
		t.Fatalf("%d segments: too few for this test", len(a.segs))
	}
	for _, from := range [][2]log.Offset{{0, 0}, {0, n / 2}, {n / 2, n / 2}, {150, 150}, {199, 20}, {7, 180}} {
		want := from
		offset := func(p log.Partition) log.Offset {
			if i := slices.Index(parts, p); i >= 0 {
				return from[i]
			}
			return 0
		}
		for e, err := range a.From(offset) {
			if err != nil {
				t.Fatal(err)
			}
			i := slices.Index(parts, e.Partition)
			if e.Offset != want[i] {
				t.Fatalf("from %v: %v/%d, expected %d", from, e.Partition, e.Offset, want[i])
			}
			want[i]++
		}
		if want != [2]log.Offset{n / 2, n / 2} {
			t.Errorf("from %v: ended at %v", from, want)
		}
	}
	for _, err := range a.From(func(log.Partition) log.Offset { return -1 }) {
		if !errors.Is(err, log.ErrTrimmed) {
			t.Errorf("from before the first: %v", err)
		}
	}
}

func TestArchiveOfNothing(t *testing.T) {
	if _, err := OpenReadOnly(nil, t.TempDir()); err == nil || !strings.Contains(err.Error(), "no journal") {
		t.Errorf("error is %v, want that there is no journal", err)
	}
}
