package state

// pool is a growing array of entries that never move, with reuse.
type pool[T any] struct {
	chunks [][]T
	freed  []int32
	next   int32 // entries ever made
	count  int   // entries in use
}

const poolBits = 10

func (p *pool[T]) at(i int32) *T { return &p.chunks[i>>poolBits][i&(1<<poolBits-1)] }

func (p *pool[T]) add() int32 {
	p.count++
	if n := len(p.freed); n > 0 {
		i := p.freed[n-1]
		p.freed = p.freed[:n-1]
		return i
	}
	if int(p.next)>>poolBits == len(p.chunks) {
		p.chunks = append(p.chunks, make([]T, 1<<poolBits))
	}
	p.next++
	return p.next - 1
}

func (p *pool[T]) remove(i int32) {
	p.count--
	p.freed = append(p.freed, i)
}

// table is an index from hashes to entries. It is cut into parts that grow one at a time, so that no
// insertion stops the shard for as long as moving all entries takes.
type table struct{ parts [1 << partBits]tablePart }

const partBits = 8

// part is the part of a hash: by its high bits, since a part's slot is chosen by the low ones.
func (t *table) part(h uint32) *tablePart { return &t.parts[h>>(32-partBits)] }

// tablePart is open addressing: linear probing, removal by shifting back, so that it never fills up with
// the graves of evicted documents.
type tablePart struct {
	slots []int32 // entry + 1; 0 empty
	mask  uint32
	count int
}

func (t *tablePart) start(h uint32) uint32 { return h & t.mask }
func (t *tablePart) step(p uint32) uint32  { return (p + 1) & t.mask }

func (t *tablePart) at(p uint32) int32 {
	if len(t.slots) == 0 {
		return none
	}
	return t.slots[p] - 1
}

func (t *table) insert(h uint32, i int32, hashOf func(int32) uint32) {
	p := t.part(h)
	if p.count*4 >= len(p.slots)*3 {
		p.grow(hashOf)
	}
	p.count++
	p.put(h, i)
}

func (t *tablePart) put(h uint32, i int32) {
	p := t.start(h)
	for t.slots[p] != 0 {
		p = t.step(p)
	}
	t.slots[p] = i + 1
}

func (t *tablePart) grow(hashOf func(int32) uint32) {
	old := t.slots
	n := max(8, 2*len(old))
	t.slots, t.mask = make([]int32, n), uint32(n-1)
	for _, s := range old {
		if s != 0 {
			t.put(hashOf(s-1), s-1)
		}
	}
}

func (t *table) remove(h uint32, i int32, hashOf func(int32) uint32) { t.part(h).remove(h, i, hashOf) }

func (t *tablePart) remove(h uint32, i int32, hashOf func(int32) uint32) {
	p := t.start(h)
	for t.slots[p] != i+1 {
		p = t.step(p)
	}
	t.count--
	// Move back what could not be found any more with a hole at p.
	for q := t.step(p); t.slots[q] != 0; q = t.step(q) {
		home := t.start(hashOf(t.slots[q] - 1))
		if (q-home)&t.mask >= (q-p)&t.mask {
			t.slots[p] = t.slots[q]
			p = q
		}
	}
	t.slots[p] = 0
}
