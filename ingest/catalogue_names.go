package ingest

import (
	"encoding/binary"
	"math/bits"
)

// nameTable finds a signal by the bytes of its name: open addressing, at most a quarter full, so that
// nearly every lookup is one hash, one probe and one comparison.
type nameTable struct {
	slots []int32 // index + 1; 0: free
	names []string
}

func newNameTable(signals []Signal) nameTable {
	size := 1 << bits.Len(uint(4*len(signals)))
	t := nameTable{slots: make([]int32, size), names: make([]string, len(signals))}
	for i := range signals {
		name := signals[i].Name
		t.names[i] = name
		at := hashName([]byte(name)) & uint64(size-1)
		for t.slots[at] != 0 {
			at = (at + 1) & uint64(size-1)
		}
		t.slots[at] = int32(i + 1)
	}
	return t
}

func (t *nameTable) lookup(name []byte) (int, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for at := hashName(name) & mask; ; at = (at + 1) & mask {
		i := t.slots[at]
		if i == 0 {
			return 0, false
		}
		if t.names[i-1] == string(name) {
			return int(i - 1), true
		}
	}
}

// hashName mixes the length and the first and last eight bytes: names that agree in all three only cost
// each other a probe.
func hashName(b []byte) uint64 {
	var first, last uint64
	switch n := len(b); {
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		first, last = uint64(b[0]), uint64(b[n/2])|uint64(b[n-1])<<8
	}
	hi, lo := bits.Mul64(first^0x9e3779b97f4a7c15, last^0xd6e8feb86659fd93^uint64(len(b)))
	return hi ^ lo
}
