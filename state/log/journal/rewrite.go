package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/internal/wire"
	"github.com/milepost-io/milepost/state/log"
)

// Edit changes a record in place and reports whether it did. The record's slices are its bytes in the frame:
// Edit may overwrite what is in them, not make them longer or shorter, and may set Erased; the other fields
// are for reading.
type Edit func(p log.Partition, off log.Offset, r *log.Record) (changed bool)

// Blank leaves of a record its place, kind, arrival and origin: the rest of its bytes become zero.
func Blank(r *log.Record) {
	clear(r.Key)
	clear(r.Source) // it may name a client
	clear(r.Topic)
	clear(r.Payload)
	r.Erased = true
}

// Rewrite gives every record of the ended segments to edit, in order, and replaces the segments in which it
// changed one; Roll first ends the one being written. What lies in a segment's file behind its end goes
// too. A record keeps its place and its length, so readers go on and positions hold; one that is reading a
// segment finishes it as it was. Segments are replaced one by one, each durably: after a crash the whole is
// to be repeated. progress, which may be nil, is told how many segments of how many are done.
//
// Appends go on meanwhile. It is called by one goroutine at a time, and only for records that every shard
// has applied and flushed: a replay meets them as they are then.
func (j *Journal) Rewrite(ctx context.Context, edit Edit, progress func(done, of int)) (records int, err error) {
	j.mu.Lock()
	segs := slices.Clone(j.segments)
	j.mu.Unlock()
	last := len(segs) - 1
	for i, seg := range segs[:last] {
		if err := ctx.Err(); err != nil {
			return records, err
		}
		rw := rewriter{j: j, seg: seg, edit: edit}
		err := rw.run(segs[i+1].first)
		if err != nil && j.keeps(seg) {
			return records, fmt.Errorf("journal: rewrite segment %s: %w", seg.path, err)
		}
		records += rw.records
		if progress != nil {
			progress(i+1, last)
		}
	}
	return records, nil
}

// keeps reports whether retention has left a segment.
func (j *Journal) keeps(seg *segment) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Contains(j.segments, seg)
}

// rewriter rewrites one segment. The new file is begun at the first change.
type rewriter struct {
	j       *Journal
	seg     *segment
	edit    Edit
	scan    *scanner
	to      vfs.File // nil: nothing has changed so far
	records int      // changed
}

func (w *rewriter) run(end uint64) (err error) {
	if w.scan, err = newScanner(w.j.opts.FS, w.seg, end); err != nil {
		return err
	}
	defer w.scan.close()
	defer func() {
		if w.to != nil { // not replaced
			err = errors.Join(err, w.to.Close(), w.j.opts.FS.Remove(w.seg.path+tempSuffix))
		}
	}()
	if err := w.frames(); err != nil {
		return err
	}
	if w.to == nil {
		behind, err := w.behind()
		if err != nil || !behind {
			return err
		}
		if err := w.begin(w.scan.pos); err != nil {
			return err
		}
	}
	return w.replace()
}

// frames edits the frames and, once one has changed, writes them out.
func (w *rewriter) frames() error {
	for {
		pos := w.scan.pos
		_, runs, b, err := w.scan.frame()
		var bad *badFrame
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			return w.scan.damage(bad.Error())
		case err != nil:
			return err
		}
		n := w.records
		for _, r := range runs {
			if err := w.editRun(r); err != nil {
				return err
			}
		}
		if w.records > n {
			le.PutUint32(b[8:], checksum(b, 8))
			if w.to == nil {
				if err := w.begin(pos); err != nil {
					return err
				}
			}
		}
		if w.to != nil {
			if _, err := w.to.WriteAt(b, pos); err != nil {
				return err
			}
		}
	}
}

func (w *rewriter) editRun(r run) error {
	p := w.seg.shards.partition(r.part)
	dec := runDecoder{Decoder: wire.Decoder{Rest: r.data}}
	var rec log.Record
	for i := range r.count {
		flags := len(r.data) - len(dec.Rest)
		if !dec.next(&rec) {
			return fmt.Errorf("record %s/%d/%d is malformed in a frame with a right checksum", p.Stream, p.Shard, r.first+log.Offset(i))
		}
		if !w.edit(p, r.first+log.Offset(i), &rec) {
			continue
		}
		w.records++
		if rec.Erased {
			r.data[flags] |= flagErased
		}
	}
	return nil
}

// behind reports whether anything lies behind the last frame: frames that were cut off, or that go on in
// the next segment.
func (w *rewriter) behind() (bool, error) {
	b := make([]byte, scanWindow)
	for pos := w.scan.pos; ; {
		n, err := w.scan.file.ReadAt(b, pos)
		if len(bytes.Trim(b[:n], "\x00")) > 0 {
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		pos += int64(n)
	}
}

// begin makes the new file with what stands before pos.
func (w *rewriter) begin(pos int64) error {
	fs := w.j.opts.FS
	to, err := fs.OpenReadWrite(w.seg.path+tempSuffix, writeCategory)
	if err != nil {
		return err
	}
	w.to = to
	if _, err := to.WriteAt(w.seg.encode(), 0); err != nil { // in the format of today
		return err
	}
	return copyRange(fs, w.seg.path, w.seg.start, pos, io.NewOffsetWriter(to, w.seg.start))
}

// replace puts the new file in the place of the old one, unless retention has removed that.
func (w *rewriter) replace() error {
	if err := w.to.Sync(); err != nil {
		return err
	}
	j, fs := w.j, w.j.opts.FS
	j.replacing.Lock()
	defer j.replacing.Unlock()
	if !j.keeps(w.seg) {
		return nil
	}
	if err := fs.Rename(w.seg.path+tempSuffix, w.seg.path); err != nil {
		return err
	}
	err := w.to.Close()
	w.to = nil
	dir, derr := fs.OpenDir(j.opts.Dir)
	if derr == nil {
		derr = errors.Join(dir.Sync(), dir.Close())
	}
	j.mu.Lock()
	w.seg.size = w.scan.pos
	j.mu.Unlock()
	return errors.Join(err, derr)
}
