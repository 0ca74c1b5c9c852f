package kafka

import "encoding/binary"

// message is one record of a batch. Its slices are parts of the batch, or of the decompressor's buffer; nil
// stands for null.
type message struct {
	offset     int64
	time       int64 // Unix ms: the producer's, or when the broker appended it, as the topic is set
	key, value []byte
}

// reader unpacks batches into messages, over buffers that it uses again. It is used by one goroutine.
type reader struct {
	unpack   decompressor
	messages []message
}

// read returns the records of a batch, in order; the slice is valid until the next read, keys
// and values until reset. The error is a
// *batchError: nothing is returned of a batch that cannot be read to its end.
//
// A record (integers are zigzag varints unless said otherwise): length of what follows, attributes (1
// byte), time delta, offset delta, length of the key (-1: null) and key, length of the value and value,
// number of headers and headers.
func (r *reader) read(b *batch) ([]message, error) {
	p, err := r.unpack.decompress(b.codec(), b.records)
	if err != nil {
		return nil, b.fail("%v", err)
	}
	r.messages = r.messages[:0]
	before := b.base - 1
	for n := range b.count {
		length, i := varint(p, 0)
		if i < 0 || length < 0 || length > int64(len(p)-i) {
			return nil, b.fail("record %d of %d: ends outside the batch", n+1, b.count)
		}
		rec := p[i : i+int(length)]
		p = p[i+int(length):]
		m, ok := readRecord(rec, b.base)
		if !ok {
			return nil, b.fail("record %d of %d: a length or number in it is wrong", n+1, b.count)
		}
		if m.offset <= before || m.offset > b.last {
			return nil, b.fail("record %d of %d: offset %d, expected %d to %d", n+1, b.count, m.offset, before+1, b.last)
		}
		before = m.offset
		m.time = b.time(m.time)
		r.messages = append(r.messages, m)
	}
	if len(p) > 0 {
		return nil, b.fail("%d bytes after its %d records", len(p), b.count)
	}
	return r.messages, nil
}

// readRecord reads a record without its length; its time is the delta. Headers are skipped.
func readRecord(p []byte, base int64) (m message, ok bool) {
	i := 1 // attributes
	if len(p) == 0 {
		return m, false
	}
	if m.time, i = varint(p, i); i < 0 {
		return m, false
	}
	delta, i := varint(p, i)
	if i < 0 {
		return m, false
	}
	m.offset = base + delta
	if m.key, i = field(p, i); i < 0 {
		return m, false
	}
	if m.value, i = field(p, i); i < 0 {
		return m, false
	}
	headers, i := varint(p, i)
	return m, i >= 0 && headers >= 0 && headers <= int64(len(p)-i)
}

// field reads a length and that many bytes; the length -1 is null.
func field(p []byte, i int) ([]byte, int) {
	n, i := varint(p, i)
	switch {
	case i < 0 || n < -1 || n > int64(len(p)-i):
		return nil, -1
	case n == -1:
		return nil, i
	}
	return p[i : i+int(n) : i+int(n)], i + int(n)
}

// varint reads a zigzag varint at i and returns the index behind it, negative when there is none.
func varint(p []byte, i int) (int64, int) {
	if i < len(p) && p[i] < 0x80 {
		u := p[i]
		return int64(u>>1) ^ -int64(u&1), i + 1
	}
	if i >= len(p) {
		return 0, -1
	}
	v, n := binary.Varint(p[i:])
	if n <= 0 {
		return 0, -1
	}
	return v, i + n
}

// reset frees what keys and values of the batches read so far lie in, and lets go of what only a large one
// needed.
func (r *reader) reset() {
	const keep = 64 << 10
	if cap(r.messages) > keep {
		r.messages = nil
	}
	r.unpack.reset()
}
