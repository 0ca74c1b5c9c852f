package journal

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"iter"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/internal/wire"
	"github.com/milepost-io/milepost/state/log"
)

// Entry is a record with its place.
type Entry struct {
	Partition log.Partition
	Offset    log.Offset
	Record    log.Record
}

// Archive is a journal opened to be read as a whole, by backtests and tools. It takes no lock and does
// not disturb a running writer. It is used by one goroutine at a time.
type Archive struct {
	fs   vfs.FS
	segs []*segment
}

// OpenReadOnly opens the journal in dir for reading; fs nil is the operating system's. It sees the
// segments of this moment, the last one with what is appended to it meanwhile.
func OpenReadOnly(fs vfs.FS, dir string) (*Archive, error) {
	if fs == nil {
		fs = vfs.Default
	}
	segs, err := listSegments(fs, dir)
	if err != nil {
		return nil, err
	}
	if len(segs) == 0 {
		return nil, fmt.Errorf("journal: open %s: there is no journal: no file *%s", dir, segmentSuffix)
	}
	return &Archive{fs: fs, segs: segs}, nil
}

// ID is the identity of the journal.
func (a *Archive) ID() log.ID { return a.segs[0].id }

// Shards are the journal's partition counts.
func (a *Archive) Shards() Shards { return a.segs[0].shards }

// First is the first kept offset of a partition that exists.
func (a *Archive) First(p log.Partition) log.Offset {
	part, ok := a.Shards().index(p)
	if !ok {
		panic(fmt.Sprintf("journal: look at %s/%d: the journal has %+v", p.Stream, p.Shard, a.Shards()))
	}
	return a.segs[0].base[part]
}

// From yields what All does without the records below an offset of each partition, and begins at the
// first segment that has others. A record that is asked for and no longer kept gives log.ErrTrimmed.
func (a *Archive) From(from func(log.Partition) log.Offset) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		shards := a.Shards()
		below := make([]log.Offset, shards.total())
		for part := range below {
			p := shards.partition(part)
			if below[part] = from(p); below[part] < a.segs[0].base[part] {
				yield(Entry{}, fmt.Errorf("journal: %s/%d from %d, kept from %d: %w", p.Stream, p.Shard, below[part], a.segs[0].base[part], log.ErrTrimmed))
				return
			}
		}
		first := 0
		for first+1 < len(a.segs) && reaches(below, a.segs[first+1].base) {
			first++
		}
		tail := Archive{fs: a.fs, segs: a.segs[first:]}
		for e, err := range tail.All() {
			if part, ok := shards.index(e.Partition); err == nil && ok && e.Offset < below[part] {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// reaches reports whether no offset of a lies below that of b.
func reaches(a, b []log.Offset) bool {
	for i := range a {
		if a[i] < b[i] {
			return false
		}
	}
	return true
}

// All yields every kept record in the order of frames, in a frame by partition: a record that could
// only be appended after another was read comes after it. An entry's slices are valid until the next
// one is asked for. The sequence ends after the first error.
func (a *Archive) All() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for i, seg := range a.segs {
			end := uint64(noEnd)
			if i+1 < len(a.segs) {
				end = a.segs[i+1].first
			}
			more, err := a.segment(seg, end, yield)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// segment yields the records of one segment; more is false when the caller has enough.
func (a *Archive) segment(seg *segment, end uint64, yield func(Entry, error) bool) (more bool, err error) {
	s, err := newScanner(a.fs, seg, end)
	if errors.Is(err, iofs.ErrNotExist) {
		return false, fmt.Errorf("journal: segment %s was removed by retention: %w", seg.path, log.ErrTrimmed)
	}
	if err != nil {
		return false, err
	}
	defer s.close()
	for {
		_, runs, _, err := s.frame()
		var bad *badFrame
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case errors.As(err, &bad) && end != noEnd:
			return false, s.damageBefore(bad)
		case errors.As(err, &bad):
			again, err := s.atTail(bad)
			if again {
				continue
			}
			return true, err
		case err != nil:
			return false, err
		}
		for _, r := range runs {
			if more, err := yieldRun(seg.shards.partition(r.part), r, yield); !more || err != nil {
				return more, err
			}
		}
	}
}

// atTail decides what a bad frame in the last segment is: its end, damage, or (again) a frame that a
// running writer has completed meanwhile.
func (s *scanner) atTail(bad error) (again bool, err error) {
	pos := s.pos
	err = s.proveTorn(bad)
	var damage *DamageError
	if !errors.As(err, &damage) {
		return false, err
	}
	s.buf = s.buf[:0]
	if _, _, rerr := s.read(pos); rerr == nil {
		return true, nil
	}
	return false, err
}

func yieldRun(p log.Partition, r run, yield func(Entry, error) bool) (more bool, err error) {
	dec := runDecoder{Decoder: wire.Decoder{Rest: r.data}}
	e := Entry{Partition: p}
	for i := range r.count {
		e.Offset = r.first + log.Offset(i)
		if !dec.next(&e.Record) {
			return false, fmt.Errorf("journal: record %s/%d/%d is malformed in a frame with a right checksum", p.Stream, p.Shard, e.Offset)
		}
		if !yield(e, nil) {
			return false, nil
		}
	}
	return true, nil
}
