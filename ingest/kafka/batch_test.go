package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// testBatch is a batch as a test wants it; seal computes length, CRC and all.
type testBatch struct {
	base       int64
	lastDelta  int32
	attributes int16
	producer   int64
	count      int32
	records    []byte
}

func (b testBatch) seal() []byte {
	p := binary.BigEndian.AppendUint64(nil, uint64(b.base))
	p = binary.BigEndian.AppendUint32(p, uint32(batchHeader-batchStart+len(b.records)))
	p = append(p, 0, 0, 0, 0, 2, 0, 0, 0, 0)
	p = binary.BigEndian.AppendUint16(p, uint16(b.attributes))
	p = binary.BigEndian.AppendUint32(p, uint32(b.lastDelta))
	p = append(p, make([]byte, 16)...)
	p = binary.BigEndian.AppendUint64(p, uint64(b.producer))
	p = append(p, make([]byte, 6)...)
	p = binary.BigEndian.AppendUint32(p, uint32(b.count))
	p = append(p, b.records...)
	return reseal(p)
}

// reseal computes the CRC of a batch that was changed.
func reseal(p []byte) []byte {
	binary.BigEndian.PutUint32(p[batchCRCAt:], crc32.Checksum(p[batchAttrAt:], castagnoli))
	return p
}

func appendRecord(b []byte, delta int64, key, value []byte) []byte {
	r := []byte{0, 0}
	r = binary.AppendVarint(r, delta)
	for _, f := range [][]byte{key, value} {
		if f == nil {
			r = binary.AppendVarint(r, -1)
			continue
		}
		r = append(binary.AppendVarint(r, int64(len(f))), f...)
	}
	r = binary.AppendVarint(r, 0)
	return append(binary.AppendVarint(b, int64(len(r))), r...)
}

// plainBatch is a batch of n records "v0", "v1"… with the key "k".
func plainBatch(base int64, n int) testBatch {
	b := testBatch{base: base, lastDelta: int32(n - 1), producer: -1, count: int32(n)}
	for i := range n {
		b.records = appendRecord(b.records, int64(i), []byte("k"), []byte{'v', byte('0' + i%10)})
	}
	return b
}

func TestBatchRefusals(t *testing.T) {
	good := func() []byte { return plainBatch(100, 3).seal() }
	change := func(at int, to ...byte) []byte { p := good(); copy(p[at:], to); return p }
	compressed := func(codec int16, content []byte, pack func([]byte) []byte) []byte {
		b := plainBatch(100, 3)
		b.attributes, b.records = codec, pack(content)
		return b.seal()
	}
	zeros := make([]byte, maxUnpacked+1)
	zip := func(p []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(p)
		_ = w.Close()
		return out.Bytes()
	}
	zst := func(p []byte) []byte {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.EncodeAll(p, nil)
	}
	self := func(p []byte) []byte { return p }
	snappyBomb := append(binary.AppendUvarint(nil, 1<<31), 0, 0)
	for _, c := range []struct {
		name  string
		batch []byte
		want  string
		last  int64
	}{
		{"wrong CRC", change(batchHeader+3, 'X'), "CRC-32C", 102},
		{"CRC of another", change(batchCRCAt, 1, 2, 3, 4), "CRC-32C is 01020304", 102},
		{"magic 1", change(batchMagicAt, 1), "magic 1, expected 2", -1},
		{"magic 200", change(batchMagicAt, 200), "magic 200, expected 2", -1},
		{"negative offset", change(0, 0xff), "offset outside", 0},
		{"length past the bound", change(batchLengthAt, 0x7f, 0xff, 0xff, 0xff), "its length is 2147483647", 102},
		{"negative length", change(batchLengthAt, 0xff, 0xff, 0xff, 0xff), "its length is -1", 102},
		{"length below the header", change(batchLengthAt, 0, 0, 0, 20), "less than its header", 102},
		{"negative count", reseal(change(batchCountAt, 0xff, 0xff, 0xff, 0xff)), "-1 records", 102},
		{"negative last", reseal(change(batchDeltaAt, 0xff, 0xff, 0xff, 0xff)), "up to -1 past", -1},
		{"count too high", reseal(change(batchCountAt, 0, 0, 0, 4)), "record 4 of 4", 102},
		{"count too low", reseal(change(batchCountAt, 0, 0, 0, 2)), "after its 2 records", 102},
		{"record length too high", reseal(change(batchHeader, 0x7e)), "record 1 of 3: ends outside", 102},
		{"key length too high", reseal(change(batchHeader+4, 0x7e)), "record 1 of 3: a length", 102},
		{"offset behind the last", func() []byte { b := plainBatch(100, 3); b.lastDelta = 1; return b.seal() }(), "record 3 of 3: offset 102", 101},
		{"offsets that fall", func() []byte {
			b := plainBatch(100, 1)
			b.records, b.count, b.lastDelta = appendRecord(appendRecord(nil, 1, nil, nil), 0, nil, nil), 2, 1
			return b.seal()
		}(), "record 2 of 2: offset 100", 101},
		{"unknown codec", reseal(change(batchAttrAt, 0, 7)), "codec 7", 102},
		{"gzip of nothing", reseal(change(batchAttrAt, 0, codecGzip)), "gzip:", 102},
		{"snappy of nothing", reseal(change(batchAttrAt, 0, codecSnappy)), "snappy:", 102},
		{"lz4 of nothing", reseal(change(batchAttrAt, 0, codecLZ4)), "lz4:", 102},
		{"zstd of nothing", reseal(change(batchAttrAt, 0, codecZstd)), "zstd:", 102},
		{"gzip bomb", compressed(codecGzip, zeros, zip), "bomb", 102},
		{"zstd bomb", compressed(codecZstd, zeros, zst), "bomb", 102},
		{"snappy bomb", compressed(codecSnappy, snappyBomb, self), "bomb", 102},
		{"xerial block past the end", compressed(codecSnappy, append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 1), self), "ends inside a block", 102},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r reader
			b, _, err := nextBatch(c.batch)
			if err == nil {
				_, err = r.read(&b)
			}
			var bad *batchError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, expected %q", err, c.want)
			}
			if c.last != 0 && bad.last != c.last {
				t.Errorf("ends at %d, expected %d", bad.last, c.last)
			}
		})
	}
}

func TestBatchTruncated(t *testing.T) {
	whole := plainBatch(100, 3).seal()
	for n := range whole {
		if _, _, err := nextBatch(whole[:n]); !errors.Is(err, errTruncated) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestBatchOffsetsComeFromItsHeader(t *testing.T) {
	b := testBatch{base: 100, lastDelta: 9, producer: -1, count: 1, records: appendRecord(nil, 4, nil, nil)} // compaction left one
	empty := testBatch{base: 110, lastDelta: 5, producer: -1}
	x, rest, err := nextBatch(append(b.seal(), empty.seal()...))
	if err != nil || x.next() != 110 {
		t.Fatalf("next %d, %v", x.next(), err)
	}
	var r reader
	ms, err := r.read(&x)
	if err != nil || len(ms) != 1 || ms[0].offset != 104 || ms[0].key != nil || ms[0].value != nil {
		t.Fatalf("%+v, %v", ms, err)
	}
	y, rest, err := nextBatch(rest)
	if err != nil || y.next() != 116 || len(rest) > 0 {
		t.Fatalf("next %d, %v", y.next(), err)
	}
	if ms, err := r.read(&y); err != nil || len(ms) > 0 {
		t.Fatalf("%+v, %v", ms, err)
	}
}

// FuzzBatch holds the decoder against kmsg's and kafka-go's: what we read they read alike; what only they
// read breaks a rule of ours (offsets, bytes left over).
func FuzzBatch(f *testing.F) {
	f.Add(plainBatch(0, 3).seal())
	f.Add(plainBatch(1<<40, 12).seal())
	f.Add(testBatch{base: 7, lastDelta: 9, producer: 5, attributes: attrTransactional, count: 1, records: appendRecord(nil, 4, nil, []byte("x"))}.seal())
	for codec, attributes := range []protocol.Attributes{0, protocol.Gzip, protocol.Snappy, protocol.Lz4, protocol.Zstd} {
		f.Add(encodeWithKafkaGo(f, attributes, codec+2))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) >= batchHeader && len(p) < 1<<20 {
			binary.BigEndian.PutUint32(p[batchLengthAt:], uint32(len(p)-batchStart))
			reseal(p)
		}
		var r reader
		b, _, err := nextBatch(p)
		if err != nil {
			return
		}
		ms, err := r.read(&b)
		if err != nil {
			return
		}
		var k kmsg.RecordBatch
		if err := k.ReadFrom(b.whole); err != nil {
			t.Fatalf("kmsg: %v", err)
		}
		if k.FirstOffset != b.base || k.FirstOffset+int64(k.LastOffsetDelta) != b.last || int(k.NumRecords) != len(ms) || k.ProducerID != b.producer || uint16(k.Attributes) != b.attributes {
			t.Fatalf("header: kmsg %+v, ours %+v", k, b)
		}
		if b.codec() != codecNone {
			return
		}
		raw := k.Records
		for i := range ms {
			size, n := binary.Varint(raw)
			var rec kmsg.Record
			if err := rec.ReadFrom(raw[:n+int(size)]); err != nil {
				return // headers that do not fit: we skip them
			}
			raw = raw[n+int(size):]
			if b.base+int64(rec.OffsetDelta) != ms[i].offset || !bytes.Equal(rec.Key, ms[i].key) || !bytes.Equal(rec.Value, ms[i].value) || (rec.Key == nil) != (ms[i].key == nil) {
				t.Fatalf("record %d: kmsg %+v, ours %+v", i, rec, ms[i])
			}
		}
	})
}

// encodeWithKafkaGo is a batch of n records as kafka-go writes it.
func encodeWithKafkaGo(t testing.TB, attributes protocol.Attributes, n int) []byte {
	t.Helper()
	var recs []protocol.Record
	for i := range n {
		recs = append(recs, protocol.Record{Offset: int64(i), Key: protocol.NewBytes([]byte("k")), Value: protocol.NewBytes(bytes.Repeat([]byte("value "), i+1)), Headers: []protocol.Header{{Key: "h", Value: []byte("x")}}})
	}
	set := protocol.RecordSet{Version: 2, Attributes: attributes, Records: protocol.NewRecordReader(recs...)}
	var out bytes.Buffer
	if _, err := set.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()[4:]
}

func TestBatchReadsWhatKafkaGoWrites(t *testing.T) {
	for _, attributes := range []protocol.Attributes{0, protocol.Gzip, protocol.Snappy, protocol.Lz4, protocol.Zstd} {
		b, rest, err := nextBatch(encodeWithKafkaGo(t, attributes, 20))
		if err != nil || len(rest) > 0 {
			t.Fatalf("%v: %v", attributes, err)
		}
		var r reader
		ms, err := r.read(&b)
		if err != nil || len(ms) != 20 || string(ms[1].value) != "value value " || ms[19].offset != 19 {
			t.Errorf("%v: %d records, %v", attributes, len(ms), err)
		}
	}
}
