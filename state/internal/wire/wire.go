// Package wire turns encoded values back into numbers and byte strings: what frames and hand-overs are
// made of.
//
//	uvarint  unsigned number, LEB128
//	varint   signed number, zigzag uvarint
//	bytes    uvarint length | bytes
package wire

import "encoding/binary"

// AppendBytes appends the encoding of v.
func AppendBytes(b, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// Decoder cuts values off the front of Rest, byte strings as views of it. After the first value that does
// not fit, Bad is set, Rest is empty, and every value is zero.
type Decoder struct {
	Rest []byte
	Bad  bool
}

func (d *Decoder) fail() { d.Bad, d.Rest = true, nil }

// Take cuts n bytes.
func (d *Decoder) Take(n int) []byte {
	if n < 0 || n > len(d.Rest) {
		d.fail()
		return nil
	}
	b := d.Rest[:n:n]
	d.Rest = d.Rest[n:]
	return b
}

// Uvarint cuts an unsigned number.
func (d *Decoder) Uvarint() uint64 {
	if len(d.Rest) > 0 && d.Rest[0] < 0x80 { // most are
		v := uint64(d.Rest[0])
		d.Rest = d.Rest[1:]
		return v
	}
	return d.longUvarint()
}

func (d *Decoder) longUvarint() uint64 {
	v, n := binary.Uvarint(d.Rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.Rest = d.Rest[n:]
	return v
}

// Varint cuts a signed number.
func (d *Decoder) Varint() int64 {
	v := d.Uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// Bytes cuts a byte string.
func (d *Decoder) Bytes() []byte {
	// Most are short: one byte of length.
	if b := d.Rest; len(b) > 0 && int(b[0]) < min(0x80, len(b)) {
		end := 1 + int(b[0])
		d.Rest = b[end:]
		return b[1:end:end]
	}
	return d.longBytes()
}

func (d *Decoder) longBytes() []byte {
	n := d.longUvarint()
	if n > uint64(len(d.Rest)) {
		d.fail()
		return nil
	}
	return d.Take(int(n))
}
