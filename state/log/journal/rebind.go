package journal

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/internal/wire"
	"github.com/milepost-io/milepost/state/log"
)

// RebindOptions say what Rebind copies.
type RebindOptions struct {
	FS vfs.FS
	// From is a folder with segments that nobody writes to, To one without any.
	From, To string
	// ID is the identity of the copy.
	ID log.ID
	// Before names the segment to stop before, which need not be there; "": none.
	Before string
	// Edit may change bytes of each record in place, not their number. nil: nothing is changed.
	Edit func(p log.Partition, off log.Offset, r *log.Record)
	// Wrote is told how many bytes were written since the last call; nil: nobody asks.
	Wrote func(n int64)
}

// Rebind copies a journal under a new id, each frame checked, changed and sealed anew, so that a segment of
// the one can never be taken for one of the other (E15). It returns what the copy holds: the first offset
// of each partition and the one after the last. Every frame must be there and right: otherwise it returns
// a DamageError that names the segment.
func Rebind(ctx context.Context, o RebindOptions) (base, ends []log.Offset, err error) {
	last := uint64(noEnd)
	if o.Before != "" {
		var ok bool
		if last, ok = parseSegmentName(o.Before); !ok {
			return nil, nil, fmt.Errorf("journal: rebind %s: %q is no segment", o.From, o.Before)
		}
	}
	segs, err := listBefore(o.FS, o.From, last)
	if err != nil {
		return nil, nil, err
	}
	if len(segs) == 0 {
		return nil, nil, fmt.Errorf("journal: rebind %s: there is no journal: no file *%s", o.From, segmentSuffix)
	}
	rb := rebinder{RebindOptions: o, next: append([]log.Offset(nil), segs[0].base...)}
	for i, seg := range segs {
		end := last
		if i+1 < len(segs) {
			end = segs[i+1].first
		}
		if err := rb.segment(ctx, seg, end); err != nil {
			return nil, nil, err
		}
	}
	return segs[0].base, rb.next, nil
}

// rebinder copies one segment after the other.
type rebinder struct {
	RebindOptions
	next []log.Offset // of each partition, at the frame to come
}

func (rb *rebinder) segment(ctx context.Context, seg *segment, end uint64) (err error) {
	s, err := newScanner(rb.FS, seg, end)
	if err != nil {
		return err
	}
	defer s.close()
	path := rb.FS.PathJoin(rb.To, segmentName(seg.first))
	f, err := rb.FS.Create(path, writeCategory)
	if err != nil {
		return fmt.Errorf("journal: create segment: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("journal: close segment %s: %w", path, cerr)
		}
	}()
	h := seg.segmentHeader
	h.id = rb.ID
	if err := rb.write(f, path, h.encode()); err != nil {
		return err
	}
	for ctx.Err() == nil {
		b, err := rb.frame(s)
		if errors.Is(err, io.EOF) {
			if err := f.Sync(); err != nil {
				return fmt.Errorf("journal: sync %s: %w", path, err)
			}
			return nil
		}
		if err == nil {
			err = rb.write(f, path, b)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (rb *rebinder) write(f vfs.File, path string, b []byte) error {
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("journal: write %s: %w", path, err)
	}
	if rb.Wrote != nil {
		rb.Wrote(int64(len(b)))
	}
	return nil
}

// frame returns the next frame as it is to be written; io.EOF at the segment's end.
func (rb *rebinder) frame(s *scanner) ([]byte, error) {
	_, runs, b, err := s.frame()
	var bad *badFrame
	switch {
	case errors.As(err, &bad) && s.end == noEnd && s.pos == s.seg.size:
		return nil, io.EOF
	case errors.As(err, &bad):
		return nil, s.damage(bad.Error())
	case err != nil:
		return nil, err
	}
	for _, r := range runs {
		if r.first != rb.next[r.part] {
			return nil, s.damage(fmt.Sprintf("frame %d has records from %d of partition %d, expected %d", s.next-1, r.first, r.part, rb.next[r.part]))
		}
		rb.next[r.part] += log.Offset(r.count)
		if err := rb.edit(s, r); err != nil {
			return nil, err
		}
	}
	copy(b[16:32], rb.ID[:])
	le.PutUint32(b[8:], checksum(b, 8))
	return b, nil
}

// edit changes the records of a run where they are: their slices are views of the frame.
func (rb *rebinder) edit(s *scanner, r run) error {
	if rb.Edit == nil {
		return nil
	}
	dec := runDecoder{Decoder: wire.Decoder{Rest: r.data}}
	var rec log.Record
	for i := range r.count {
		if !dec.next(&rec) {
			return s.damage(fmt.Sprintf("record %d of partition %d is malformed in a frame with a right checksum", r.first+log.Offset(i), r.part))
		}
		rb.Edit(s.seg.shards.partition(r.part), r.first+log.Offset(i), &rec)
	}
	return nil
}

// CreateAt makes an empty journal whose partitions begin at the given offsets, events first, and that
// counts so many Event records before it: for stores whose log is lost.
func CreateAt(o Options, id log.ID, base []log.Offset, received uint64) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if len(base) != o.Shards.total() {
		return fmt.Errorf("journal: create %s: %d offsets for %+v", o.Dir, len(base), o.Shards)
	}
	if err := makeDir(o.FS, o.Dir); err != nil {
		return fmt.Errorf("journal: make folder %s: %w", o.Dir, err)
	}
	var w segmentWriter
	if w.dir, err = o.FS.OpenDir(o.Dir); err != nil {
		return fmt.Errorf("journal: open folder: %w", err)
	}
	err = w.create(&o, segmentHeader{id: id, shards: o.Shards, first: 1, base: base, received: received}, nil)
	return errors.Join(err, w.close(), w.dir.Close())
}
