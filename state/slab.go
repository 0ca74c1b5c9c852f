package state

import "unsafe"

// slab keeps byte strings (documents, keys) outside of what the collector scans: in chunks of words
// without pointers, cut into slots of one size class each. A slot starts 8-byte aligned and never moves.
type slab struct {
	sizes   []uint32 // words of a slot, by class
	classes []slabClass
	chunks  [][]uint64
	big     map[uint32][]uint64 // slots over maxSlot words
	nextBig uint32
	used    int64 // bytes of slots handed out
}

type slabClass struct {
	free ref    // head of the free slots, linked through their first word
	open uint32 // chunk being cut, its index + 1
	next uint32 // words of it already cut
}

// ref names a slot: class+1 (8 bits) | chunk (40 bits) | first word (16 bits). The zero ref is no slot.
type ref uint64

const (
	chunkWords = 8 << 10 // 64 KiB
	maxSlot    = 2 << 10 // 16 KiB, the document bound of E11
	bigClass   = 0xfe
)

func newSlab() *slab {
	s := &slab{big: map[uint32][]uint64{}}
	for step, w := uint32(2), uint32(2); w <= maxSlot; w += step {
		s.sizes = append(s.sizes, w)
		if w >= 8*step { // four to eight classes per doubling: at most a quarter of a slot is waste
			step *= 2
		}
	}
	if s.sizes[len(s.sizes)-1] < maxSlot {
		s.sizes = append(s.sizes, maxSlot)
	}
	s.classes = make([]slabClass, len(s.sizes))
	return s
}

// class returns the smallest class whose slots hold n bytes; bigClass when none does.
func (s *slab) class(n int) int {
	w := uint32(n+7) / 8
	if w > maxSlot {
		return bigClass
	}
	lo, hi := 0, len(s.sizes)-1
	for lo < hi {
		if mid := (lo + hi) / 2; s.sizes[mid] < w {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// alloc returns a slot for n bytes; its content is arbitrary.
func (s *slab) alloc(n int) ref {
	c := s.class(n)
	if c == bigClass {
		s.nextBig++
		words := make([]uint64, (n+7)/8)
		s.big[s.nextBig] = words
		s.used += int64(len(words)) * 8
		return ref(bigClass+1)<<56 | ref(s.nextBig)
	}
	cl, size := &s.classes[c], s.sizes[c]
	s.used += int64(size) * 8
	if r := cl.free; r != 0 {
		cl.free = ref(s.words(r)[0])
		return r
	}
	if cl.open == 0 || cl.next+size > chunkWords {
		s.chunks = append(s.chunks, make([]uint64, chunkWords))
		cl.open, cl.next = uint32(len(s.chunks)), 0
	}
	r := ref(c+1)<<56 | ref(cl.open-1)<<16 | ref(cl.next)
	cl.next += size
	return r
}

// words returns the slot from its first word to the end of its chunk.
func (s *slab) words(r ref) []uint64 {
	if r.class() == bigClass {
		return s.big[uint32(r)]
	}
	return s.chunks[uint32(r>>16)][uint16(r):]
}

func (r ref) class() int { return int(r>>56) - 1 }

// bytes returns the first n bytes of a slot.
func (s *slab) bytes(r ref, n int) []byte {
	if r == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s.words(r)))), s.capacity(r))[:n]
}

func (s *slab) capacity(r ref) int {
	switch {
	case r == 0:
		return 0
	case r.class() == bigClass:
		return len(s.big[uint32(r)]) * 8
	}
	return int(s.sizes[r.class()]) * 8
}

func (s *slab) free(r ref) {
	if r == 0 {
		return
	}
	s.used -= int64(s.capacity(r))
	if r.class() == bigClass {
		delete(s.big, uint32(r))
		return
	}
	cl := &s.classes[r.class()]
	s.words(r)[0] = uint64(cl.free)
	cl.free = r
}

// add returns a slot holding a copy of b.
func (s *slab) add(b []byte) ref {
	if len(b) == 0 {
		return 0
	}
	r := s.alloc(len(b))
	copy(s.bytes(r, len(b)), b)
	return r
}
