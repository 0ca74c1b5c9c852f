// Package erasure remembers whose data was erased, without naming them: ids go in, keyed hashes with the
// time of the erasure are kept in a file of its own, outside log, store and backups, so that what was
// erased stays erased when a backup from before is restored, and when the car goes on sending.
//
// It also holds the erasures under way (Pending), which do name ids until they are done.
package erasure

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

)

// Kind is what an id is of.
type Kind uint8

const (
	// Vehicle ids are VINs.
	Vehicle Kind = 1 + iota
	// Party ids are owners and dealers.
	Party
)

func (k Kind) String() string {
	switch k {
	case Vehicle:
		return "vehicle"
	case Party:
		return "party"
	}
	return "unknown"
}

// Hash stands for an id: HMAC-SHA256 under the installation's key, truncated.
type Hash [16]byte

// Entry says that an id was erased. Times are Unix ms.
type Entry struct {
	Kind Kind
	Hash Hash
	// Erased is the time of the last erasure, Returned when the id came back after it; 0: it has not. What a
	// backup from before Erased holds of the id is to be erased either way.
	Erased, Returned int64
}

type entryKey struct {
	kind Kind
	hash Hash
}

// List is the list of erased ids of an installation. Its methods may be called concurrently.
//
// Add and Return are durable when they return; what a crash cuts short has not happened. After an error of
// either the List refuses every change until it is opened anew: what is on disk is not known.
type List struct {
	files *files // nil: in memory alone, or read-only
	key   [32]byte
	macs  sync.Pool // of hash.Hash

	live  atomic.Int64 // entries that have not returned
	seed  maphash.Seed
	known atomic.Pointer[negatives]

	mu      sync.RWMutex
	entries map[entryKey]Entry
	err     error
}

// negatives are fingerprints of ids that are not on the list, so that a fleet whose list is not empty pays
// a hash of some nanoseconds per event and not an HMAC.
type negatives [1 << 16]atomic.Uint64

func newList() *List {
	l := &List{entries: map[entryKey]Entry{}, seed: maphash.MakeSeed()}
	l.macs.New = func() any { return hmac.New(sha256.New, l.key[:]) }
	return l
}

// NewMemory returns an empty list without a file, for replays and tests.
func NewMemory() *List { return newList() }

// Has reports whether an id is erased and has not returned. With an empty list it costs one load.
func (l *List) Has(kind Kind, id []byte) bool {
	if l.live.Load() == 0 {
		return false
	}
	return l.has(kind, id)
}

func (l *List) has(kind Kind, id []byte) bool {
	slot, mark := l.negative(kind, id)
	if slot.Load() == mark {
		return false
	}
	h := l.Hash(kind, id)
	l.mu.RLock()
	defer l.mu.RUnlock()
	e, ok := l.entries[entryKey{kind, h}]
	if ok && e.Returned == 0 {
		return true
	}
	slot.Store(mark) // under the lock: an Add that follows takes it away again
	return false
}

// negative is where an id that is not on the list is noted, and how.
func (l *List) negative(kind Kind, id []byte) (slot *atomic.Uint64, mark uint64) {
	t := l.known.Load()
	if t == nil {
		l.known.CompareAndSwap(nil, new(negatives))
		t = l.known.Load()
	}
	h := maphash.Bytes(l.seed, id) ^ uint64(kind)<<62
	return &t[h%uint64(len(t))], h | 1
}

// Hash is what the list keeps of an id.
func (l *List) Hash(kind Kind, id []byte) (h Hash) {
	m := l.macs.Get().(hash.Hash)
	m.Reset()
	m.Write([]byte{byte(kind)})
	m.Write(id)
	var sum [sha256.Size]byte
	copy(h[:], m.Sum(sum[:0]))
	l.macs.Put(m)
	return h
}

// Lookup returns what is kept of an id, also of one that has returned.
func (l *List) Lookup(kind Kind, id []byte) (Entry, bool) {
	h := l.Hash(kind, id)
	l.mu.RLock()
	defer l.mu.RUnlock()
	e, ok := l.entries[entryKey{kind, h}]
	return e, ok
}

// Len is how many ids are erased and have not returned.
func (l *List) Len() int { return int(l.live.Load()) }

// All returns every entry, by kind and hash.
func (l *List) All() []Entry {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]Entry, 0, len(l.entries))
	for _, e := range l.entries {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return slices.Compare(append([]byte{byte(a.Kind)}, a.Hash[:]...), append([]byte{byte(b.Kind)}, b.Hash[:]...))
	})
	return out
}

var errReadOnly = errors.New("erasure: the list was opened to be read")

// Add notes ids as erased at a time, Unix ms; durable when it returns nil.
func (l *List) Add(at int64, kind Kind, ids ...[]byte) error {
	changes := make([]change, 0, len(ids))
	for _, id := range ids {
		changes = append(changes, change{op: opErased, kind: kind, hash: l.Hash(kind, id), at: at})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write(changes); err != nil {
		return err
	}
	for i, c := range changes {
		l.take(c)
		slot, _ := l.negative(kind, ids[i])
		slot.Store(0)
	}
	return nil
}

// Return notes that an id has come back at a time, Unix ms; durable when it returns nil.
func (l *List) Return(at int64, kind Kind, id []byte) error {
	c := change{op: opReturned, kind: kind, hash: l.Hash(kind, id), at: at}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[entryKey{kind, c.hash}]; !ok || e.Returned != 0 {
		return nil
	}
	if err := l.write([]change{c}); err != nil {
		return err
	}
	l.take(c)
	return nil
}

// write makes changes durable. mu is held.
func (l *List) write(changes []change) error {
	switch {
	case l.err != nil:
		return l.err
	case l.files == nil:
		return nil
	}
	if err := l.files.append(changes); err != nil {
		l.err = fmt.Errorf("erasure: write the list of erased ids: %w", err)
	}
	return l.err
}

// take applies a change to what is in memory. mu is held.
func (l *List) take(c change) {
	k := entryKey{c.kind, c.hash}
	e, ok := l.entries[k]
	was := ok && e.Returned == 0
	if c.op == opErased {
		e = Entry{Kind: c.kind, Hash: c.hash, Erased: c.at}
	} else {
		e.Kind, e.Hash, e.Returned = c.kind, c.hash, c.at
	}
	l.entries[k] = e
	switch is := e.Returned == 0; {
	case is && !was:
		l.live.Add(1)
	case was && !is:
		l.live.Add(-1)
	}
}

// Close releases the file.
func (l *List) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = errors.New("erasure: the list was closed")
	}
	f := l.files
	if f == nil {
		return nil
	}
	l.files = nil
	return f.close()
}

