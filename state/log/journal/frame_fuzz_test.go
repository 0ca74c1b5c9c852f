package journal

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/internal/wire"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/logtest"
)

var fuzzID = log.ID{1, 2, 3}

// sampleFrame is a frame of two runs.
func sampleFrame(seq uint64) []byte {
	o := newOpenFrame(testShards.total())
	o.add(1, logtest.Records(0, 5))
	o.add(4, logtest.Records(100, 3))
	runs := o.closed(nil)
	b := make([]byte, frameSize(len(runs), o.bytes))
	encodeFrame(b, fuzzID, frameHeader{seq: seq, durableThrough: seq - 1, received: o.events, newest: o.newest}, testShards, runs)
	return b
}

// seal makes b pass the checks that random bytes never would.
func seal(b []byte) []byte {
	b = bytes.Clone(b[:len(b)&^(frameAlign-1)])
	if len(b) < frameHeaderLen {
		return b
	}
	copy(b, frameMagic)
	copy(b[16:], fuzzID[:])
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint32(b[8:], checksum(b, 8))
	return b
}

// FuzzFrame: no frame, sealed or not, makes the decoder panic, read outside it or yield more than it has.
func FuzzFrame(f *testing.F) {
	f.Add(sampleFrame(1), false)
	f.Add(sampleFrame(7), true)
	f.Add(make([]byte, frameHeaderLen), true)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if sealed {
			b = seal(b)
		}
		_, runs, err := decodeFrame(b, fuzzID, testShards, nil)
		if err != nil {
			return
		}
		for _, r := range runs {
			dec := runDecoder{Decoder: wire.Decoder{Rest: r.data}}
			var rec log.Record
			n, size := 0, 0
			for ; n < r.count && dec.next(&rec); n++ {
				size += len(rec.Key) + len(rec.Source) + len(rec.Topic) + len(rec.Origin) + len(rec.Codec) + len(rec.Payload)
			}
			if size > len(r.data) {
				t.Fatalf("records of %d bytes from a run of %d", size, len(r.data))
			}
		}
	})
}

// FuzzRecord: decoding an encoded record gives it back.
func FuzzRecord(f *testing.F) {
	for n := range 12 {
		r := logtest.Record(n)
		f.Add(byte(r.Kind), r.Oversize, r.Rising, r.Types, r.Arrival, int64(n)<<60, r.Key, r.Source, r.Topic, r.Origin, r.Seq, r.Codec, r.Payload)
	}
	f.Fuzz(func(t *testing.T, kind byte, oversize, rising bool, types uint32, arrival, prev int64, key, source, topic, origin []byte, seq uint64, codec, payload []byte) {
		in := log.Record{Kind: log.Kind(kind & kindMask), Oversize: oversize, Rising: rising, Types: types, Arrival: arrival,
			Key: key, Source: source, Topic: topic, Origin: origin, Seq: seq, Codec: codec, Payload: payload}
		b := appendRecord(nil, &in, prev)
		if len(b) < minRecordLen || len(b) > recordBound(&in) {
			t.Fatalf("%d bytes, want %d to %d", len(b), minRecordLen, recordBound(&in))
		}
		dec := runDecoder{Decoder: wire.Decoder{Rest: b}, prev: prev}
		out := log.Record{Key: []byte("old"), Origin: []byte("old"), Seq: 99}
		if !dec.next(&out) || len(dec.Rest) != 0 {
			t.Fatalf("does not decode: %d bytes left", len(dec.Rest))
		}
		if d := logtest.Diff(&out, &in); d != "" {
			t.Fatal(d)
		}
	})
}

// FuzzOpen: whatever follows the header of the last segment, Open refuses it or gives a log that works.
func FuzzOpen(f *testing.F) {
	h := segmentHeader{id: fuzzID, shards: testShards, first: 1, base: make([]log.Offset, testShards.total())}
	f.Add([]byte{}, false)
	f.Add(sampleFrame(1), false)
	f.Add(append(sampleFrame(1), sampleFrame(2)...), false)
	f.Add(append(make([]byte, 24), sampleFrame(2)...), true)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if sealed {
			b = seal(b)
		}
		o := Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards}
		if err := o.FS.MkdirAll(o.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := o.FS.Create(o.FS.PathJoin(o.Dir, segmentName(1)), writeCategory)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(append(h.encode(), b...)); err != nil {
			t.Fatal(err)
		}
		file.Close()
		j, err := Open(o)
		if err != nil {
			return
		}
		defer j.Close()
		_, next := j.Range(part0)
		if off, err := j.Append(part0, logtest.Records(0, 1), log.Ack{}); err != nil || off != next {
			t.Fatalf("append gives %d, want %d: %v", off, next, err)
		}
		r, err := j.Read(part0, next)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, recs, err := r.Read(t.Context(), 10); err != nil || len(recs) != 1 {
			t.Fatalf("%d records, error %v", len(recs), err)
		}
	})
}
