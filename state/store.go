package state

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system that stores and journals are on: tests and the simulation have one that crashes.
type FS = vfs.FS

// StoreOptions says where a shard's store is.
type StoreOptions struct {
	Dir string
	// FS is the file system; nil is the machine's.
	FS FS
	// Cache is the memory for blocks and memtables in bytes; 0: 64 MiB. A quarter of it is one memtable.
	Cache  int64
	Logger *slog.Logger
	// ReadOnly opens the store of a stopped shard for looking at it.
	ReadOnly bool
}

// Store is one shard's durable state on disk. It has no log of its own: what was committed but not yet
// flushed is lost in a crash, and the shard's log brings it back (E4). Reads may be concurrent with each
// other and with a commit.
type Store struct {
	db         *pebble.DB
	health     *health
	fs         FS
	dir        string
	generation uint64
	writing    sync.Mutex // held by whoever writes
}

var (
	// ErrFormat is returned for a store that this build does not read.
	ErrFormat = errors.New("state: store format")
	errNoData = errors.New("state: no store in this folder")
)

// OpenStore opens the store, made if need be, and unless ReadOnly raises its generation durably.
func OpenStore(o StoreOptions) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Cache == 0 {
		o.Cache = 64 << 20
	}
	s := &Store{health: newHealth(o.Dir, o.Logger), fs: o.FS, dir: o.Dir}
	err := s.health.call(func() (err error) {
		s.db, err = openPebble(&o, s.health)
		return err
	})
	if err != nil {
		return nil, s.health.explain("open", err)
	}
	if err := s.open(o.ReadOnly); err != nil {
		return nil, errors.Join(s.health.explain("open", err), s.Close())
	}
	return s, nil
}

func openPebble(o *StoreOptions, h *health) (*pebble.DB, error) {
	cache := pebble.NewCache(o.Cache)
	defer cache.Unref()
	p := &pebble.Options{
		FS:    storeFS{o.FS},
		Cache: cache,
		// Pinned by name: the ratchet only goes one way. Raise it together with storeFormat.
		FormatMajorVersion: pebble.FormatValueSeparation,
		DisableWAL:         true,
		// Memtables are taken out of the cache; less than four to one leaves none for blocks.
		MemTableSize:                uint64(o.Cache / 4),
		MemTableStopWritesThreshold: 3,
		L0CompactionThreshold:       4,
		MaxManifestFileSize:         manifestBytes,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
		ReadOnly:                    o.ReadOnly,
		ErrorIfNotExists:            o.ReadOnly,
		Logger:                      h,
		EventListener:               h.listener(),
	}
	for i := range p.Levels {
		p.Levels[i].BlockSize = 4 << 10
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return pebble.Open(o.Dir, p)
}

// open checks the format and raises the generation.
func (s *Store) open(readOnly bool) error {
	v, ok, err := s.Get(nil, formatKey())
	if err != nil {
		return err
	}
	if ok {
		if len(v) != 4 {
			return fmt.Errorf("%w: %x, expected 4 bytes", ErrFormat, v)
		}
		if f := binary.BigEndian.Uint32(v); f > storeFormat || f+1 < storeFormat {
			return fmt.Errorf("%w %d, this build reads %d and %d", ErrFormat, f, storeFormat-1, storeFormat)
		}
	}
	if v, ok, err = s.Get(nil, generationKey()); err != nil {
		return err
	}
	if ok && len(v) == 8 {
		s.generation = binary.BigEndian.Uint64(v)
	}
	if readOnly {
		if !ok {
			return errNoData
		}
		return nil
	}
	s.generation++
	b := s.db.NewBatch()
	defer b.Close()
	err = errors.Join(
		b.Set(formatKey(), binary.BigEndian.AppendUint32(nil, storeFormat), nil),
		b.Set(generationKey(), binary.BigEndian.AppendUint64(nil, s.generation), nil),
		s.db.Apply(b, pebble.NoSync))
	if err != nil {
		return err
	}
	if err := s.health.call(s.db.Flush); err != nil { // the generation is told to the log next
		return err
	}
	s.health.opened.Store(true)
	return nil
}

// Generation counts the openings of the store.
func (s *Store) Generation() uint64 { return s.generation }

// Get implements Backing. It may be called concurrently.
func (s *Store) Get(dst, key []byte) ([]byte, bool, error) {
	v, closer, err := s.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return dst, false, nil
	case err != nil:
		return dst, false, s.health.explain("read", err)
	}
	dst = append(dst, v...)
	return dst, true, closer.Close()
}

// Scan implements Backing.
func (s *Store) Scan(lo, hi []byte, fn func(key, value []byte) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return s.health.explain("read", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return s.health.explain("read", errors.Join(err, it.Close()))
		}
		if !fn(it.Key(), v) {
			break
		}
	}
	return s.health.explain("read", it.Close())
}

// Keys implements Backing.
func (s *Store) Keys(from []byte, max int) (keys [][]byte, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: spaceEnd(docSpace)})
	if err != nil {
		return nil, s.health.explain("read", err)
	}
	for ok := it.First(); ok && len(keys) < max; {
		key, _, err := cutDocKey(it.Key())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("document %x: %w", it.Key(), err), it.Close())
		}
		keys = append(keys, key)
		ok = it.SeekGE(afterKey(nil, key))
	}
	return keys, s.health.explain("read", it.Close())
}

// storeBatch is a Batch in Pebble's own form.
type storeBatch struct{ b *pebble.Batch }

func (b storeBatch) Set(key, value []byte) error     { return b.b.Set(key, value, nil) }
func (b storeBatch) Delete(key []byte) error         { return b.b.Delete(key, nil) }
func (b storeBatch) DeleteRange(lo, hi []byte) error { return b.b.DeleteRange(lo, hi, nil) }

// newBatch returns a batch with room for size bytes: growing one of many megabytes by copying it is a
// pause of the shard.
func (s *Store) newBatch(size int64) storeBatch {
	return storeBatch{s.db.NewBatchWithSize(int(size))}
}

// commit makes the batch what reads see. It is on disk after a flush begun afterwards.
func (s *Store) commit(b storeBatch) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.apply(b)
}

// apply commits and closes a batch; writing is held.
func (s *Store) apply(b storeBatch) error {
	// Pebble makes a commit wait while the store cannot be flushed: for room, or for ever.
	if err := s.health.call(func() error { return s.db.Apply(b.b, pebble.NoSync) }); err != nil {
		return s.health.explain("commit to", err)
	}
	return b.b.Close()
}

// flush puts everything committed on disk. It may return early when the context ends; then what was
// committed may or may not be on disk.
func (s *Store) flush(ctx context.Context) error {
	var done <-chan struct{}
	err := s.health.call(func() (err error) {
		done, err = s.db.AsyncFlush()
		return err
	})
	if err != nil {
		return s.health.explain("flush", err)
	}
	select {
	case <-done:
		return nil
	case <-s.health.over:
		return s.health.err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// DiskBytes is what the store takes on disk.
func (s *Store) DiskBytes() uint64 { return s.db.Metrics().DiskSpaceUsage() }

// Failed is closed when the store cannot go on, or was abandoned; Err then says why. The process must end:
// what was committed and not flushed is in the log.
func (s *Store) Failed() <-chan struct{} { return s.health.over }

// Err is why the store cannot go on; nil while it can.
func (s *Store) Err() error { return s.health.err() }

// Health is what the disk has done to the store since it was opened.
func (s *Store) Health() StoreHealth { return s.health.stats() }

// Close closes the store. What was not flushed is lost to it, not to the log. A store that is
// stuck is left as it is: its files are whole, and Pebble would wait for what never ends. Why it is
// stuck is an error here only when nobody could have learnt it from Err.
func (s *Store) Close() error {
	if s.health.stuck.Load() {
		return nil
	}
	told := s.health.err() != nil
	done := make(chan error, 1)
	go func() { done <- s.db.Close() }()
	limit := time.NewTimer(stopWithin)
	defer limit.Stop()
	select {
	case err := <-done:
		return s.health.explain("close", err)
	case <-s.health.stop:
		if told {
			return nil
		}
		return s.health.err()
	case <-limit.C:
		return s.health.explain("close", fmt.Errorf("not within %v", stopWithin))
	}
}
