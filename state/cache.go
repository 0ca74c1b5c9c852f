package state

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"unsafe"
)

// cache is the working set of a Machine: an entry for every document in memory, for every document whose
// absence is known, and for every document with a timer (a cold one keeps its name, not its bytes). It
// holds no pointers per document, so that ten million of them cost the collector nothing.
//
// Entries are named by index; an index stays valid until the entry is dropped.
type cache struct {
	slab   *slab
	seed   maphash.Seed
	keys   pool[keyEntry]
	docs   pool[doc]
	keyTab table
	docTab table
}

// doc is one document's entry.
type doc struct {
	body   ref
	sub    shortText
	armed  int64  // the timer that counts, Unix ms; 0 none. Of a cold document only a lower bound.
	step   uint64 // the step call that last changed it, for undo
	n      int32  // length of the body
	subLen int32
	key    int32 // its keyEntry
	next   int32 // siblings under the key, -1 ends
	prev   int32
	hash   uint32
	epoch  uint32 // the write-back epoch that last changed it
	pins   int32  // timers and lists that refer to the entry
	state  docState
	hot    bool // used since the clock hand passed
	saved  bool // its image of epoch is in the batch of that epoch
}

type docState uint8

const (
	free    docState = iota
	cold             // bytes in the store only
	loading          // placeholder of a prefetch (E16)
	live
	gone // known not to exist
)

// keyEntry is one key that has entries.
type keyEntry struct {
	name   keyText
	minDue int64 // no timer of the key is due before it
	len    int32
	first  int32 // its documents, newest first; -1 none
	hash   uint32
	used   bool
	pinned bool // being handled
	whole  bool // a document without an entry does not exist
}

const none = int32(-1)

// shortText and keyText keep a name beside what is looked at with it, for a cache line less at every
// lookup; a name that does not fit is in the slab, and its ref in the first 8 bytes. All names that the
// rules step gives documents fit, and all ids of vehicles.
type (
	shortText [8]byte
	keyText   [40]byte
)

// setText puts a name into the place it has.
func (c *cache) setText(to, name []byte) {
	if len(name) <= len(to) {
		copy(to, name)
		return
	}
	binary.NativeEndian.PutUint64(to, uint64(c.slab.add(name)))
}

// text is the name of n bytes.
func (c *cache) text(in []byte, n int32) []byte {
	if int(n) <= len(in) {
		return in[:n]
	}
	return c.slab.bytes(ref(binary.NativeEndian.Uint64(in)), int(n))
}

func (c *cache) freeText(in []byte, n int32) {
	if int(n) > len(in) {
		c.slab.free(ref(binary.NativeEndian.Uint64(in)))
	}
}

func newCache() *cache {
	return &cache{slab: newSlab(), seed: maphash.MakeSeed()}
}

// size is what the entries and documents take, in bytes.
func (c *cache) size() int64 {
	const docSize, keySize = int64(unsafe.Sizeof(doc{})) + 6, int64(unsafe.Sizeof(keyEntry{})) + 6
	return c.slab.used + int64(c.docs.count)*docSize + int64(c.keys.count)*keySize
}

// key returns the entry of a key, or none.
func (c *cache) key(name []byte) (int32, uint32) {
	h := uint32(maphash.Bytes(c.seed, name))
	t := c.keyTab.part(h)
	for p := t.start(h); ; p = t.step(p) {
		i := t.at(p)
		if i == none {
			return none, h
		}
		if k := c.keys.at(i); k.hash == h && bytes.Equal(c.keyName(i), name) {
			return i, h
		}
	}
}

// addKey returns the entry of a key, made if need be.
func (c *cache) addKey(name []byte) int32 {
	i, h := c.key(name)
	if i != none {
		return i
	}
	i = c.keys.add()
	k := c.keys.at(i)
	*k = keyEntry{len: int32(len(name)), first: none, hash: h, minDue: math.MaxInt64, used: true}
	c.setText(k.name[:], name)
	c.keyTab.insert(h, i, func(i int32) uint32 { return c.keys.at(i).hash })
	return i
}

func (c *cache) keyName(i int32) []byte {
	k := c.keys.at(i)
	return c.text(k.name[:], k.len)
}

func (c *cache) subName(d *doc) []byte { return c.text(d.sub[:], d.subLen) }

func (c *cache) body(d *doc) []byte { return c.slab.bytes(d.body, int(d.n)) }

func docHash(key int32, sub uint64) uint32 {
	h := (uint64(uint32(key))+0x9e3779b97f4a7c15)*0xff51afd7ed558ccd ^ sub
	return uint32(h ^ h>>32)
}

// doc returns the entry of a document of key k, or none.
func (c *cache) doc(k int32, sub []byte) (int32, uint32) {
	if first := c.keys.at(k).first; first != none {
		// Most keys have one document that every step looks at: no second hash for it.
		if d := c.docs.at(first); bytes.Equal(c.subName(d), sub) {
			return first, d.hash
		}
	}
	h := docHash(k, maphash.Bytes(c.seed, sub))
	t := c.docTab.part(h)
	for p := t.start(h); ; p = t.step(p) {
		i := t.at(p)
		if i == none {
			return none, h
		}
		if d := c.docs.at(i); d.hash == h && d.key == k && bytes.Equal(c.subName(d), sub) {
			return i, h
		}
	}
}

// addDoc makes the entry of a document that has none, in the state given.
func (c *cache) addDoc(k int32, sub []byte, h uint32, st docState) int32 {
	i := c.docs.add()
	key := c.keys.at(k)
	d := c.docs.at(i)
	*d = doc{subLen: int32(len(sub)), key: k, next: key.first, prev: none, hash: h, state: st, hot: true}
	c.setText(d.sub[:], sub)
	if key.first != none {
		c.docs.at(key.first).prev = i
	}
	key.first = i
	c.docTab.insert(h, i, func(i int32) uint32 { return c.docs.at(i).hash })
	return i
}

// drop removes an entry, and its key's when it was the last.
func (c *cache) drop(i int32) {
	d := c.docs.at(i)
	key := c.keys.at(d.key)
	if d.prev == none {
		key.first = d.next
	} else {
		c.docs.at(d.prev).next = d.next
	}
	if d.next != none {
		c.docs.at(d.next).prev = d.prev
	}
	if d.state != gone {
		key.whole = false
	}
	c.slab.free(d.body)
	c.freeText(d.sub[:], d.subLen)
	c.docTab.remove(d.hash, i, func(i int32) uint32 { return c.docs.at(i).hash })
	k := d.key
	*d = doc{}
	c.docs.remove(i)
	c.dropKey(k)
}

// dropKey removes a key that has no entries and is not being handled.
func (c *cache) dropKey(k int32) {
	key := c.keys.at(k)
	if key.first != none || key.pinned {
		return
	}
	c.freeText(key.name[:], key.len)
	c.keyTab.remove(key.hash, k, func(i int32) uint32 { return c.keys.at(i).hash })
	*key = keyEntry{}
	c.keys.remove(k)
}

// resize gives a live document room for n bytes and keeps the first min(old, n) of them.
func (c *cache) resize(d *doc, n int) {
	if d.body == 0 || c.slab.capacity(d.body) < n || c.slab.class(n) < d.body.class() {
		r := ref(0)
		if n > 0 {
			r = c.slab.alloc(n)
			copy(c.slab.bytes(r, n), c.body(d))
		}
		c.slab.free(d.body)
		d.body = r
	}
	d.n = int32(n)
}

// clear forgets a document's bytes.
func (c *cache) clear(d *doc, st docState) {
	c.slab.free(d.body)
	d.body, d.n, d.state = 0, 0, st
}
