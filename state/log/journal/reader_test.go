package journal

import (
	"bytes"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/log"
)

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
