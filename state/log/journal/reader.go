package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"

	"github.com/milepost-io/milepost/state/internal/wire"
	"github.com/milepost-io/milepost/state/log"
)

// reader reads one partition: from frames in memory when it keeps up, from segments when not.
type reader struct {
	j    *Journal
	part int
	next log.Offset

	dec   runDecoder // over the run that next is in
	left  int        // records left in it
	frame *frame     // that the run and the last batch view, referenced; nil: disk has them
	disk  *scanner   // open while the reader is behind

	recs   []log.Record
	wake   chan struct{}
	closed bool
}

// Read implements log.Log.
func (j *Journal) Read(p log.Partition, from log.Offset) (log.Reader, error) {
	part, ok := j.opts.Shards.index(p)
	if !ok {
		return nil, j.noPartition("read", p)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.endedErr(); err != nil {
		return nil, err
	}
	first, next := j.segments[0].base[part], j.next[part]
	switch {
	case from < first:
		return nil, fmt.Errorf("journal: read %s/%d from %d, the first kept is %d: %w", p.Stream, p.Shard, from, first, log.ErrTrimmed)
	case from > next:
		return nil, fmt.Errorf("journal: read %s/%d from %d, the log ends at %d: %w", p.Stream, p.Shard, from, next, log.ErrPastEnd)
	}
	return &reader{j: j, part: part, next: from, wake: make(chan struct{}, 1)}, nil
}

// Read implements log.Reader.
func (r *reader) Read(ctx context.Context, limit int) (log.Offset, []log.Record, error) {
	for {
		off, recs, err := r.Poll(limit)
		if len(recs) > 0 || err != nil {
			return off, recs, err
		}
		if err := r.wait(ctx); err != nil {
			return r.next, nil, err
		}
	}
}

// Poll implements log.Reader. A batch never spans frames.
func (r *reader) Poll(limit int) (log.Offset, []log.Record, error) {
	if r.closed {
		return r.next, nil, log.ErrClosed
	}
	if r.j.ended.Load() {
		r.j.mu.Lock()
		defer r.j.mu.Unlock()
		return r.next, nil, r.j.endedErr()
	}
	if r.left == 0 {
		ok, err := r.advance()
		if !ok || err != nil {
			return r.next, nil, err
		}
	}
	return r.decode(limit)
}

// decode returns the next records of the run.
func (r *reader) decode(limit int) (log.Offset, []log.Record, error) {
	n := min(r.left, max(limit, 1))
	r.recs = slices.Grow(r.recs[:0], n)[:n]
	for i := range r.recs {
		if !r.dec.next(&r.recs[i]) {
			return r.next, nil, r.malformed()
		}
	}
	first := r.next
	r.next += log.Offset(n)
	r.left -= n
	return first, r.recs, nil
}

// malformed is the error for a record that does not decode although its frame's checksum is right.
func (r *reader) malformed() error {
	p := r.j.opts.Shards.partition(r.part)
	return fmt.Errorf("journal: record %s/%d/%d is malformed in a frame with a right checksum", p.Stream, p.Shard, r.next)
}

// advance goes to the run that next is in. ok is false when there is none yet.
func (r *reader) advance() (ok bool, err error) {
	r.letGo()
	r.j.mu.Lock()
	if r.next >= r.j.readable[r.part] {
		r.j.mu.Unlock()
		return false, nil
	}
	if f := r.j.ring.find(r.part, r.next); f != nil {
		r.j.mu.Unlock()
		r.leaveDisk()
		r.frame = f
		run, ok := f.run(r.part)
		if !ok {
			return false, r.malformed()
		}
		return r.enter(run)
	}
	seg, end := r.j.segmentOf(r.part, r.next)
	r.j.mu.Unlock()
	if seg == nil {
		return false, r.trimmed()
	}
	return r.advanceOnDisk(seg, end)
}

// segmentOf returns the segment in which the record is, and the first frame after it; nil when it is
// no longer kept. mu is held.
func (j *Journal) segmentOf(part int, off log.Offset) (*segment, uint64) {
	i := sort.Search(len(j.segments), func(i int) bool { return j.segments[i].base[part] > off })
	switch i {
	case 0:
		return nil, 0
	case len(j.segments):
		return j.segments[i-1], noEnd
	}
	return j.segments[i-1], j.segments[i].first
}

func (r *reader) trimmed() error {
	p := r.j.opts.Shards.partition(r.part)
	return fmt.Errorf("journal: read %s/%d at %d: %w", p.Stream, p.Shard, r.next, log.ErrTrimmed)
}

// advanceOnDisk reads frames of seg until the one that next is in.
func (r *reader) advanceOnDisk(seg *segment, end uint64) (bool, error) {
	if r.disk == nil || r.disk.seg != seg {
		r.leaveDisk()
		s, err := newScanner(r.j.opts.FS, seg, end)
		if errors.Is(err, fs.ErrNotExist) {
			return false, r.trimmed()
		}
		if err != nil {
			return false, err
		}
		r.disk = s
	}
	for {
		_, runs, _, err := r.disk.frame()
		var bad *badFrame
		if errors.As(err, &bad) {
			if r.disk.end != noEnd {
				return false, r.disk.damageBefore(bad)
			}
			return false, r.disk.damage(bad.Error())
		}
		if err != nil {
			return false, fmt.Errorf("journal: read %s: %w", seg.path, err)
		}
		r.j.diskFrames.Add(1)
		for _, run := range runs {
			if run.part == r.part && run.first+log.Offset(run.count) > r.next {
				return r.enter(run)
			}
		}
	}
}

// enter makes run the current one and skips what is before next in it.
func (r *reader) enter(run run) (bool, error) {
	r.dec = runDecoder{Decoder: wire.Decoder{Rest: run.data}}
	skip := int(r.next - run.first)
	if skip < 0 || skip >= run.count {
		return false, r.malformed()
	}
	var rec log.Record
	for range skip {
		if !r.dec.next(&rec) {
			return false, r.malformed()
		}
	}
	r.left = run.count - skip
	return true, nil
}

// letGo gives up the frame that the last batch viewed.
func (r *reader) letGo() {
	r.left = 0
	if r.frame != nil {
		r.frame.release()
		r.frame = nil
	}
}

func (r *reader) leaveDisk() {
	if r.disk != nil {
		_ = r.disk.close() // was only read
		r.disk = nil
	}
}

// wait returns when there may be a record at next, or the journal or ctx has ended.
func (r *reader) wait(ctx context.Context) error {
	j := r.j
	j.mu.Lock()
	if j.ended.Load() || r.next < j.readable[r.part] {
		j.mu.Unlock()
		return nil
	}
	j.waiting[r.part] = append(j.waiting[r.part], r)
	j.mu.Unlock()
	select {
	case <-r.wake:
		return nil
	case <-ctx.Done():
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting[r.part] = slices.DeleteFunc(j.waiting[r.part], func(o *reader) bool { return o == r })
	select {
	case <-r.wake: // it came in between; the next wait must not find it
	default:
	}
	return ctx.Err()
}

// wakeReaders wakes the readers that wait on a partition. mu is held.
func (j *Journal) wakeReaders(part int) {
	for i, r := range j.waiting[part] {
		r.wake <- struct{}{} // has room: a reader is listed once and drained before it waits again
		j.waiting[part][i] = nil
	}
	j.waiting[part] = j.waiting[part][:0]
}

// Close implements log.Reader.
func (r *reader) Close() error {
	if !r.closed {
		r.closed = true
		r.letGo()
		r.leaveDisk()
	}
	return nil
}
