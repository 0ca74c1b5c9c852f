package journal

import (
	"fmt"
	"strings"
	"testing"

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

func TestArchiveOfNothing(t *testing.T) {
	if _, err := OpenReadOnly(nil, t.TempDir()); err == nil || !strings.Contains(err.Error(), "no journal") {
		t.Errorf("error is %v, want that there is no journal", err)
	}
}
