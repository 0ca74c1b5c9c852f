package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/milepost-io/milepost/state/internal/wire"
	"github.com/milepost-io/milepost/state/log"
)

// A journal is a folder of segment files, named by the number of their first frame:
//
//	00000000000000000001.seg  00000000000000000420.seg  …  LOCK
//
// A segment is a header and frames, little-endian, each frame starting on a multiple of 8. A segment
// ends before the first frame of the next one, whatever follows in the file; the last ends where no
// valid frame follows. A segment file exists under its name only when every frame before it is durable.
//
//	segment header                          frame
//	 0  magic "MPJRNLSG"                     0  magic "MPJF"
//	 8  CRC32C of all but these 4 bytes      4  length of the frame, padding included
//	12  length of this header                8  CRC32C of all but these 4 bytes
//	16  format version                      12  runs
//	20  partitions of events, notices       16  journal id
//	24  journal id                          32  frame number
//	40  number of the first frame           40  durable through: the last frame that was
//	48  Event records before it                 synced before this one was written
//	56  newest arrival before it            48  Event records up to and with this frame
//	64  next offset of each partition       56  newest arrival up to and with this frame
//	                                        64  directory, 24 bytes a run, by partition
//	directory entry                             runs, zeros to a multiple of 8
//	 0  stream (1 byte), 0, shard (2)
//	 4  records                             record in a run
//	 8  offset of the first                  kind and flags (1 byte), types, arrival less the one
//	16  start of the run in the frame        before it in the run, key, source, topic, [origin,
//	20  length of the run                    seq], codec, payload; numbers are varints, bytes
//	                                         have their length before them
const (
	segmentMagic = "MPJRNLSG"
	frameMagic   = "MPJF"
	// formatVersion is the format written; formatVersion-1, which knows no rising Seq, is read too.
	formatVersion = 2

	segmentHeaderLen = 64
	frameHeaderLen   = 64
	dirEntryLen      = 24
	frameAlign       = 8
	minRecordLen     = 8

	// maxFrame bounds a frame so that its length fits its field and a damaged length cannot ask for
	// more memory than the file has.
	maxFrame = 1 << 30
)

// Flags beside the kind in a record's first byte.
const (
	kindMask     = 0x0f
	flagOversize = 0x10
	flagOrigin   = 0x20
	flagRising   = 0x40
	knownFlags   = flagOversize | flagOrigin | flagRising
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian

	errNoFrame = errors.New("no frame")
)

// frameHeader is what a frame says of itself.
type frameHeader struct {
	seq uint64
	// durableThrough is the last frame synced before this one was written: evidence at Open that a
	// bad frame up to it was acknowledged.
	durableThrough uint64
	// received and newest are running totals of the journal: Event records, highest arrival.
	received uint64
	newest   int64
}

// run is the records of one partition in a frame.
type run struct {
	part  int // Shards.index
	first log.Offset
	count int
	data  []byte
}

// checksum is the CRC32C of b without the 4 bytes at the CRC field.
func checksum(b []byte, at int) uint32 {
	return crc32.Update(crc32.Checksum(b[:at], castagnoli), castagnoli, b[at+4:])
}

// frameSize is the encoded size of a frame of n runs of so many bytes.
func frameSize(n, bytes int) int {
	return (frameHeaderLen + n*dirEntryLen + bytes + frameAlign - 1) &^ (frameAlign - 1)
}

// encodeFrame writes the frame into b, which has frameSize bytes.
func encodeFrame(b []byte, id log.ID, h frameHeader, shards Shards, runs []run) {
	copy(b, frameMagic)
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint32(b[12:], uint32(len(runs)))
	copy(b[16:32], id[:])
	le.PutUint64(b[32:], h.seq)
	le.PutUint64(b[40:], h.durableThrough)
	le.PutUint64(b[48:], h.received)
	le.PutUint64(b[56:], uint64(h.newest))
	at := frameHeaderLen + len(runs)*dirEntryLen
	for i, r := range runs {
		e := b[frameHeaderLen+i*dirEntryLen:]
		p := shards.partition(r.part)
		e[0], e[1] = byte(p.Stream), 0
		le.PutUint16(e[2:], p.Shard)
		le.PutUint32(e[4:], uint32(r.count))
		le.PutUint64(e[8:], uint64(r.first))
		le.PutUint32(e[16:], uint32(at))
		le.PutUint32(e[20:], uint32(len(r.data)))
		at += copy(b[at:], r.data)
	}
	clear(b[at:])
	le.PutUint32(b[8:], checksum(b, 8))
}

// frameLen returns the length a frame claims in its first bytes: of at least frameHeaderLen bytes b,
// errNoFrame when they do not start a frame of this journal.
func frameLen(b []byte, id log.ID) (int, error) {
	if len(b) < frameHeaderLen || string(b[:4]) != frameMagic || log.ID(b[16:32]) != id {
		return 0, errNoFrame
	}
	n := int(le.Uint32(b[4:]))
	if n < frameHeaderLen || n > maxFrame || n%frameAlign != 0 {
		return 0, errNoFrame
	}
	return n, nil
}

// decodeFrame checks the frame that fills b and appends its runs, views into b, to runs.
func decodeFrame(b []byte, id log.ID, shards Shards, runs []run) (frameHeader, []run, error) {
	n, err := frameLen(b, id)
	if err != nil {
		return frameHeader{}, runs, err
	}
	if n != len(b) {
		return frameHeader{}, runs, fmt.Errorf("frame of %d bytes in %d", n, len(b))
	}
	if sum := checksum(b, 8); sum != le.Uint32(b[8:]) {
		return frameHeader{}, runs, fmt.Errorf("checksum is %08x, the frame says %08x", sum, le.Uint32(b[8:]))
	}
	h := frameHeader{
		seq:            le.Uint64(b[32:]),
		durableThrough: le.Uint64(b[40:]),
		received:       le.Uint64(b[48:]),
		newest:         int64(le.Uint64(b[56:])),
	}
	if h.durableThrough >= h.seq {
		return h, runs, fmt.Errorf("frame %d says that frame %d was durable before it", h.seq, h.durableThrough)
	}
	count := le.Uint32(b[12:])
	if uint64(count) > uint64(len(b)-frameHeaderLen)/dirEntryLen {
		return h, runs, fmt.Errorf("directory of %d runs in a frame of %d bytes", count, len(b))
	}
	for i := range int(count) {
		r, err := decodeDirEntry(b, frameHeaderLen+i*dirEntryLen, shards)
		if err != nil {
			return h, runs, fmt.Errorf("run %d: %w", i, err)
		}
		if n := len(runs); i > 0 && r.part <= runs[n-1].part {
			return h, runs, fmt.Errorf("run %d: partition %d after %d", i, r.part, runs[n-1].part)
		}
		runs = append(runs, r)
	}
	return h, runs, nil
}

func decodeDirEntry(b []byte, at int, shards Shards) (run, error) {
	e := b[at : at+dirEntryLen]
	p := log.Partition{Stream: log.Stream(e[0]), Shard: le.Uint16(e[2:])}
	part, ok := shards.index(p)
	if !ok {
		return run{}, fmt.Errorf("partition %s/%d does not exist", p.Stream, p.Shard)
	}
	r := run{part: part, count: int(le.Uint32(e[4:])), first: log.Offset(le.Uint64(e[8:]))}
	start, size := uint64(le.Uint32(e[16:])), uint64(le.Uint32(e[20:]))
	if start+size > uint64(len(b)) || r.count == 0 || uint64(r.count) > size/minRecordLen || r.first < 0 {
		return run{}, fmt.Errorf("%d records from %d in bytes %d+%d of %d", r.count, r.first, start, size, len(b))
	}
	r.data = b[start : start+size]
	return r, nil
}

// recordBound is at least what appendRecord adds for r.
func recordBound(r *log.Record) int {
	return 1 + 9*binary.MaxVarintLen64 + len(r.Key) + len(r.Source) + len(r.Topic) + len(r.Origin) + len(r.Codec) + len(r.Payload)
}

// appendRecord encodes r; prev is the arrival of the record before it in the run, or 0.
func appendRecord(b []byte, r *log.Record, prev int64) []byte {
	flags := byte(r.Kind)
	if r.Oversize {
		flags |= flagOversize
	}
	if len(r.Origin) > 0 || r.Seq != 0 {
		flags |= flagOrigin
	}
	if r.Rising {
		flags |= flagRising
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(r.Types))
	b = binary.AppendVarint(b, r.Arrival-prev) // wraps both ways for extreme arrivals
	b = wire.AppendBytes(b, r.Key)
	b = wire.AppendBytes(b, r.Source)
	b = wire.AppendBytes(b, r.Topic)
	if flags&flagOrigin != 0 {
		b = wire.AppendBytes(b, r.Origin)
		b = binary.AppendUvarint(b, r.Seq)
	}
	b = wire.AppendBytes(b, r.Codec)
	return wire.AppendBytes(b, r.Payload)
}

// runDecoder takes the records off a run, one by one, as views.
type runDecoder struct {
	wire.Decoder
	prev int64 // arrival of the record before
}

// next fills r and reports whether there was a well-formed record.
func (d *runDecoder) next(r *log.Record) bool {
	if len(d.Rest) == 0 {
		return false
	}
	flags := d.Rest[0]
	d.Rest = d.Rest[1:]
	if flags&^(kindMask|knownFlags) != 0 {
		d.Bad = true
	}
	r.Kind = log.Kind(flags & kindMask)
	r.Oversize = flags&flagOversize != 0
	r.Rising = flags&flagRising != 0
	types := d.Uvarint()
	if types > math.MaxUint32 {
		d.Bad = true
	}
	r.Types = uint32(types)
	d.prev += d.Varint()
	r.Arrival = d.prev
	r.Key, r.Source, r.Topic = d.Bytes(), d.Bytes(), d.Bytes()
	r.Origin, r.Seq = nil, 0
	if flags&flagOrigin != 0 {
		r.Origin, r.Seq = d.Bytes(), d.Uvarint()
	}
	r.Codec, r.Payload = d.Bytes(), d.Bytes()
	return !d.Bad
}
