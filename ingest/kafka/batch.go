package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A record batch, magic 2 (Kafka protocol, "Record Batch"; integers big-endian):
//
//	base offset        8   of the first record when the batch was written
//	length             4   of what follows
//	leader epoch       4
//	magic              1   2
//	CRC-32C            4   of what follows
//	attributes         2   codec (bits 0-2), time type (3), transactional (4), control (5)
//	last offset delta  4   kept by compaction, whatever it removes
//	base, max time    16
//	producer id        8
//	producer epoch     2
//	base sequence      4
//	records            4   their number, then the records, compressed together
const (
	batchLengthAt = 8
	batchMagicAt  = 16
	batchCRCAt    = 17
	batchAttrAt   = 21
	batchDeltaAt  = 23
	batchProdAt   = 43
	batchCountAt  = 57
	batchHeader   = 61
	// batchStart is what the length does not count.
	batchStart = 12

	batchBaseTimeAt = 27
	batchMaxTimeAt  = 35

	attrCodec         = 0x07
	attrAppendTime    = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
)

// maxBatch is the largest batch that is read, in bytes as sent. Brokers take 1 MiB unless told otherwise
// (message.max.bytes).
const maxBatch = 64 << 20

// maxOffset is the highest offset that fits a record's Seq beside the number of the entry.
const maxOffset = 1<<48 - 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is one record batch of a fetched partition; its slices are parts of what was fetched.
type batch struct {
	base, last int64 // offsets: of the first and the last record it was written with
	attributes uint16
	producer   int64
	count      int32
	whole      []byte
	records    []byte // compressed as attributes say
}

func (b *batch) next() int64         { return b.last + 1 }
func (b *batch) codec() uint16       { return b.attributes & attrCodec }
func (b *batch) transactional() bool { return b.attributes&attrTransactional != 0 }
func (b *batch) control() bool       { return b.attributes&attrControl != 0 }

// errTruncated: the bytes end inside a batch. Brokers cut the last batch of an answer where its size limit
// falls; the rest comes with the next fetch.
var errTruncated = errors.New("ends inside a record batch")

// batchError says why a batch cannot be read. It may be the transfer's fault, and the batch be well when it
// is fetched again.
type batchError struct {
	reason string
	// base is the batch's first offset and last what its header says of its last, if it says anything
	// believable, else -1: no more than a claim when the CRC is wrong.
	base, last int64
	whole      []byte
}

func (e *batchError) Error() string {
	return fmt.Sprintf("record batch at offset %d: %s", e.base, e.reason)
}

// time is that of the record with a time delta: the time of appending is the whole batch's.
func (b *batch) time(delta int64) int64 {
	if b.attributes&attrAppendTime != 0 {
		return int64(binary.BigEndian.Uint64(b.whole[batchMaxTimeAt:]))
	}
	return int64(binary.BigEndian.Uint64(b.whole[batchBaseTimeAt:])) + delta
}

// nextBatch reads the batch at the beginning of p and returns what follows it. The error is errTruncated or
// a *batchError; after the latter rest is what follows, or nil when that cannot be told.
func nextBatch(p []byte) (b batch, rest []byte, err error) {
	if len(p) < batchMagicAt+1 {
		return b, nil, errTruncated
	}
	base, length := int64(binary.BigEndian.Uint64(p)), int(int32(binary.BigEndian.Uint32(p[batchLengthAt:])))
	refuse := func(whole []byte, format string, args ...any) error {
		e := &batchError{reason: fmt.Sprintf(format, args...), base: base, last: -1, whole: whole}
		if len(whole) >= batchHeader && whole[batchMagicAt] == 2 {
			if delta := int32(binary.BigEndian.Uint32(whole[batchDeltaAt:])); delta >= 0 {
				e.last = base + int64(delta)
			}
		}
		return e
	}
	switch {
	case base < 0 || base > maxOffset:
		return b, nil, refuse(p, "an offset outside 0 to 2^48-1")
	case length < batchMagicAt+1-batchStart || length > maxBatch:
		return b, nil, refuse(p, "its length is %d, expected at most %d bytes", length, maxBatch)
	case p[batchMagicAt] != 2 && batchStart+length <= len(p):
		return b, p[batchStart+length:], refuse(p[:batchStart+length], "magic %d, expected 2 (written by Kafka 0.11 and newer)", p[batchMagicAt])
	case p[batchMagicAt] != 2:
		return b, nil, refuse(p, "magic %d, expected 2 (written by Kafka 0.11 and newer)", p[batchMagicAt])
	case length < batchHeader-batchStart:
		return b, nil, refuse(p, "its length is %d, less than its header", length)
	case batchStart+length > len(p):
		return b, nil, errTruncated
	}
	whole, rest := p[:batchStart+length], p[batchStart+length:]
	if want, sum := binary.BigEndian.Uint32(whole[batchCRCAt:]), crc32.Checksum(whole[batchAttrAt:], castagnoli); sum != want {
		return b, rest, refuse(whole, "its CRC-32C is %08x, its content's %08x", want, sum)
	}
	delta := int32(binary.BigEndian.Uint32(whole[batchDeltaAt:]))
	b = batch{
		base: base, last: base + int64(delta), attributes: binary.BigEndian.Uint16(whole[batchAttrAt:]),
		producer: int64(binary.BigEndian.Uint64(whole[batchProdAt:])), count: int32(binary.BigEndian.Uint32(whole[batchCountAt:])),
		whole: whole, records: whole[batchHeader:],
	}
	if delta < 0 || b.count < 0 {
		return b, rest, refuse(whole, "%d records up to %d past its first offset", b.count, delta)
	}
	return b, rest, nil
}

// fail is a batchError of a batch whose header is sound.
func (b *batch) fail(format string, args ...any) error {
	return &batchError{reason: fmt.Sprintf(format, args...), base: b.base, last: b.last, whole: b.whole}
}
