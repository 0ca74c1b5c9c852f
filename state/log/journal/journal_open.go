package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/log"
)

// Open opens the journal in o.Dir, or makes one. It refuses a journal with other partition counts, one
// that another process has open, and one that lost durable records (DamageError).
func Open(o Options) (*Journal, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := makeDir(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("journal: make folder %s: %w", o.Dir, err)
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = segmentBytes(o.FS, o.Dir)
	}
	lock, err := o.FS.Lock(o.FS.PathJoin(o.Dir, lockName))
	if err != nil {
		return nil, lockError(o.Dir, err)
	}
	j := &Journal{opts: o, lock: lock, failed: make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	j.space.L = &j.mu
	if err := j.recover(); err != nil {
		_ = j.release()
		return nil, err
	}
	go j.sync()
	return j, nil
}

// makeDir makes dir and what is missing above it, durably.
func makeDir(fs vfs.FS, dir string) error {
	var parents []string // of the folders to make
	for d := dir; ; d = fs.PathDir(d) {
		if _, err := fs.Stat(d); err == nil {
			break
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		parents = append(parents, fs.PathDir(d))
		if fs.PathDir(d) == d {
			break
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range parents {
		d, err := fs.OpenDir(p)
		if err != nil {
			return err
		}
		err = d.Sync()
		if cerr := d.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recover finds what the folder holds and begins the segment to write to.
func (j *Journal) recover() error {
	o := &j.opts
	if err := removeTemp(o.FS, o.Dir); err != nil {
		return err
	}
	dir, err := o.FS.OpenDir(o.Dir)
	if err != nil {
		return fmt.Errorf("journal: open folder: %w", err)
	}
	j.writer.dir = dir
	segs, err := listSegments(o.FS, o.Dir)
	if err != nil {
		return err
	}
	if len(segs) == 0 {
		return j.begin()
	}
	last := segs[len(segs)-1]
	if last.shards != o.Shards {
		return fmt.Errorf("journal: %s was made with %d partitions of events and %d of notices, the configuration asks for %d and %d: "+
			"the counts cannot be changed later", o.Dir, last.shards.Events, last.shards.Notices, o.Shards.Events, o.Shards.Notices)
	}
	t, err := findTail(o, last)
	if err != nil {
		return err
	}
	return j.resume(segs, t)
}

// removeTemp removes segments whose creation did not end.
func removeTemp(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("journal: list %s: %w", dir, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, segmentSuffix+tempSuffix) {
			if err := fs.Remove(fs.PathJoin(dir, name)); err != nil {
				return fmt.Errorf("journal: remove unfinished segment: %w", err)
			}
		}
	}
	return nil
}

// begin makes a new journal.
func (j *Journal) begin() error {
	h := segmentHeader{shards: j.opts.Shards, first: 1, base: make([]log.Offset, j.opts.Shards.total())}
	if _, err := rand.Read(h.id[:]); err != nil {
		return fmt.Errorf("journal: make an id: %w", err)
	}
	if err := j.writer.create(&j.opts, h, nil); err != nil {
		return err
	}
	j.start([]*segment{j.writer.seg}, h)
	j.opts.Logger.Info().Str("dir", j.opts.Dir).Hex("id", h.id[:]).Msg("journal: new")
	return nil
}

// tail is what recovery found in the last segment.
type tail struct {
	from int64         // where the first frame to copy is in the file
	head segmentHeader // that begins with that frame
	end  segmentHeader // that would begin after the last valid frame
	size int64         // where the valid frames end in the file
	cut  int64         // bytes after that
}

// findTail scans the last segment: which frames are valid, and from which one on they may not be
// durable. It refuses when a frame that was durable is not valid.
func findTail(o *Options, last *segment) (tail, error) {
	s, err := newScanner(o.FS, last, noEnd)
	if err != nil {
		return tail{}, err
	}
	defer s.close()
	t := tail{from: last.start, head: last.segmentHeader}
	durable, err := s.walk(&t.end, noEnd)
	if err != nil {
		return t, err
	}
	t.size, t.cut = s.pos, last.size-s.pos

	// A short segment is copied whole, so that many starts do not leave many small files.
	if durable < last.first || t.size < o.SegmentBytes/4 {
		return t, nil
	}
	again, err := newScanner(o.FS, last, noEnd)
	if err != nil {
		return t, err
	}
	defer again.close()
	if _, err := again.walk(&t.head, durable+1); err != nil {
		return t, err
	}
	t.from = again.pos
	return t, nil
}

// walk reads the frames up to frame end, leaves in h the header of a segment that would begin there and
// returns the last frame that is known to have been durable. The end of the segment ends it too.
func (s *scanner) walk(h *segmentHeader, end uint64) (durable uint64, err error) {
	*h = s.seg.segmentHeader
	h.base = append([]log.Offset(nil), h.base...)
	durable = h.first - 1
	for s.next < end {
		pos := s.pos
		f, runs, _, err := s.frame()
		var bad *badFrame
		switch {
		case errors.Is(err, io.EOF):
			return durable, nil
		case errors.As(err, &bad):
			return durable, s.proveTorn(bad)
		case err != nil:
			return durable, err
		}
		for _, r := range runs {
			if r.first != h.base[r.part] {
				return durable, &DamageError{Path: s.seg.path, Offset: pos,
					Reason: fmt.Sprintf("frame %d has records from %d of partition %d, expected %d", f.seq, r.first, r.part, h.base[r.part])}
			}
			h.base[r.part] += log.Offset(r.count)
		}
		durable = max(durable, f.durableThrough)
		h.first, h.received, h.newest = f.seq+1, f.received, f.newest
	}
	return durable, nil
}

// resume copies the frames that may not be durable into a new segment and goes on there.
func (j *Journal) resume(segs []*segment, t tail) error {
	last := segs[len(segs)-1]
	err := j.writer.create(&j.opts, t.head, func(to io.Writer) (int64, error) {
		return t.size - t.from, copyRange(j.opts.FS, last.path, t.from, t.size, to)
	})
	if err != nil {
		return err
	}
	if t.head.first == last.first {
		segs = segs[:len(segs)-1] // replaced
	} else {
		last.size, last.lastArrival = t.from, t.head.newest
	}
	j.writer.seg.lastArrival = t.end.newest
	j.start(append(segs, j.writer.seg), t.end)
	ev := j.opts.Logger.Info()
	if t.cut > 0 {
		ev = j.opts.Logger.Warn().Int64("cut_bytes", t.cut)
	}
	ev.Str("dir", j.opts.Dir).Hex("id", j.id[:]).Int("segments", len(j.segments)).Uint64("last_frame", j.durableSeq).Msg("journal: opened")
	return nil
}

// copyRange copies the bytes from..to of the file at path.
func copyRange(fs vfs.FS, path string, from, to int64, w io.Writer) error {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(w, io.NewSectionReader(f, from, to-from))
	if err == nil && n != to-from {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// start sets the state of a journal whose durable records end where end begins.
func (j *Journal) start(segs []*segment, end segmentHeader) {
	j.id, j.segments, j.received = end.id, segs, end.received
	for _, at := range []*[]log.Offset{&j.next, &j.readable, &j.durable} {
		*at = append([]log.Offset(nil), end.base...)
	}
	j.trimmed = make([]log.Offset, len(end.base))
	j.waiting = make([][]*reader, len(end.base))
	j.open = newOpenFrame(len(end.base))
	j.open.reset(j.next)
	h := frameHeader{seq: end.first - 1, received: end.received, newest: end.newest}
	j.writer.last, j.writer.written, j.writer.durableSeq, j.durableSeq = h, h, h.seq, h.seq
}
