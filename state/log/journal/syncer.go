package journal

import (
	"fmt"
	"slices"
	"time"

	"github.com/milepost-io/milepost/state/log"
)

// sync is the syncer: it makes closed frames durable, group after group, until the journal is closed or
// fails. It alone touches the writer.
func (j *Journal) sync() {
	defer close(j.done)
	for {
		group, rolls, ok := j.takeGroup()
		if !ok {
			return
		}
		err := j.commit(group)
		if err == nil && len(rolls) > 0 {
			err = j.roll()
		}
		if err == nil {
			err = j.removeOld()
		}
		for _, done := range rolls {
			done <- err
		}
		if err != nil {
			j.fail(err, group)
			return
		}
		j.recycle(group)
	}
}

// takeGroup waits for something to do and returns the frames to make durable next, none when only old
// segments are to be looked at, and who waits for a new segment after all that was appended before they
// asked. ok is false when the journal is closed and all is done.
func (j *Journal) takeGroup() (group []*openFrame, rolls []chan error, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		if !j.open.empty() {
			j.closeOpen()
		}
		switch {
		case len(j.full) > 0:
			group = j.cutGroup()
			if len(j.full) == 0 {
				rolls = j.takeRolls()
			}
			return group, rolls, true
		case j.closing:
			for _, done := range j.takeRolls() {
				done <- log.ErrClosed
			}
			return nil, nil, false
		case j.retain || len(j.rolls) > 0:
			return nil, j.takeRolls(), true
		}
		j.idle = true
		j.mu.Unlock()
		<-j.wake
		j.mu.Lock()
	}
}

// cutGroup takes the oldest closed frames, at most a quarter of what may wait: so that appends go on while
// they are synced. mu is held.
func (j *Journal) cutGroup() []*openFrame {
	n, bytes := 1, int64(j.full[0].bytes)
	for n < len(j.full) && bytes+int64(j.full[n].bytes) <= j.opts.MaxUnsynced/4 {
		bytes += int64(j.full[n].bytes)
		n++
	}
	j.group = append(j.group[:0], j.full[:n]...)
	left := copy(j.full, j.full[n:])
	clear(j.full[left:])
	j.full = j.full[:left]
	return j.group
}

// commit makes a group readable, then durable, and then tells who waits for it (E4: not before).
func (j *Journal) commit(group []*openFrame) error {
	if len(group) == 0 {
		return nil
	}
	frames := j.assemble(group)
	j.publish(frames)
	for _, f := range frames {
		if err := j.write(f); err != nil {
			return err
		}
	}
	if len(frames) > 0 {
		if err := j.syncWriter(); err != nil {
			return err
		}
	}
	j.settle(group)
	for _, o := range group {
		deliver(o, nil)
	}
	return nil
}

// deliver tells the appenders of a frame what became of it, in their order.
func deliver(o *openFrame, err error) {
	for _, a := range o.acks {
		a.To.Acked(a.ID, err)
	}
	clear(o.acks)
	o.acks = o.acks[:0] // once only, also when a later step of the same round fails
}

// assemble closes the frames of a group.
func (j *Journal) assemble(group []*openFrame) []*frame {
	frames := j.frames[:0]
	for _, o := range group {
		if o.count == 0 {
			continue
		}
		w := &j.writer
		w.runs = o.closed(w.runs[:0])
		f := j.pool.get(frameSize(len(w.runs), o.bytes))
		w.last.seq++
		w.last.received += o.events
		w.last.newest = max(w.last.newest, o.newest)
		w.last.durableThrough = w.durableSeq
		f.frameHeader = w.last
		f.base = append(f.base[:0], o.base...)
		encodeFrame(f.buf, j.id, f.frameHeader, j.opts.Shards, w.runs)
		f.runs = f.runs[:0]
		at := frameHeaderLen + dirEntryLen*len(w.runs)
		for _, r := range w.runs {
			n := len(r.data)
			r.data = f.buf[at : at+n]
			f.runs = append(f.runs, r)
			at += n
		}
		frames = append(frames, f)
	}
	j.frames = frames
	return frames
}

// publish lets readers have the frames: before they are durable, as the contract allows.
func (j *Journal) publish(frames []*frame) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range frames {
		j.ring.push(f)
		for _, r := range f.runs {
			j.readable[r.part] = r.first + log.Offset(r.count)
			j.wakeReaders(r.part)
		}
	}
}

// write puts a frame into the segment, or into the next one when it does not fit.
func (j *Journal) write(f *frame) error {
	w := &j.writer
	if w.seg.size > w.seg.start && w.seg.size+int64(len(f.buf)) > j.opts.SegmentBytes {
		if err := j.rotate(f.seq, append([]log.Offset(nil), f.base...)); err != nil {
			return err
		}
	}
	// Readers have the buffer too. WriteAt leaves it alone; Write of a vfs.File may change it.
	if _, err := w.file.WriteAt(f.buf, w.seg.size); err != nil {
		return fmt.Errorf("journal: write frame %d to %s: %w", f.seq, w.seg.path, err)
	}
	w.written, w.dirty = f.frameHeader, true
	j.mu.Lock()
	w.seg.size += int64(len(f.buf))
	w.seg.lastArrival = f.newest
	j.stats.Bytes += uint64(len(f.buf))
	j.stats.Frames++
	j.mu.Unlock()
	return nil
}

// rotate begins a segment with frame first, whose records start at base. All frames before it are durable
// first: a segment file is the evidence that they were.
func (j *Journal) rotate(first uint64, base []log.Offset) error {
	w := &j.writer
	if err := j.syncWriter(); err != nil {
		return err
	}
	if err := w.close(); err != nil {
		return err
	}
	h := w.seg.segmentHeader
	h.first, h.received, h.newest, h.base = first, w.written.received, w.written.newest, base
	if err := w.create(&j.opts, h, nil); err != nil {
		return err
	}
	j.mu.Lock()
	j.segments = append(j.segments, w.seg)
	j.retain = true
	j.mu.Unlock()
	j.opts.Logger.Debug().Str("segment", w.seg.path).Msg("journal: new segment")
	return nil
}

// syncWriter makes all written frames durable.
func (j *Journal) syncWriter() error {
	w := &j.writer
	if !w.dirty {
		return nil
	}
	start := time.Now()
	if err := w.file.SyncData(); err != nil {
		return &SyncError{Path: w.seg.path, Err: err}
	}
	took := time.Since(start)
	w.dirty, w.durableSeq = false, w.written.seq
	j.mu.Lock()
	j.stats.Syncs.observe(took)
	j.mu.Unlock()
	return nil
}

// settle records that a group is durable and wakes whoever waited for that or for room.
func (j *Journal) settle(group []*openFrame) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, o := range group {
		j.unsynced -= int64(o.bytes)
		for part := range o.runs {
			if n := o.runs[part].count; n > 0 {
				j.durable[part] = o.base[part] + log.Offset(n)
			}
		}
	}
	j.durableSeq = j.writer.durableSeq
	j.writer.seg.durable = j.writer.seg.size // the group was synced to its last frame
	j.ring.evict(j.opts.Memory)              // published frames are durable now: the syncer does one group at a time
	j.wakeDurables()
	j.space.Broadcast()
}

// wakeDurables ends the waits that are over. mu is held.
func (j *Journal) wakeDurables() {
	over := j.err != nil || j.closed
	kept := j.durables[:0]
	for _, w := range j.durables {
		if over || j.durable[w.part] >= w.end {
			close(w.wake)
		} else {
			kept = append(kept, w)
		}
	}
	clear(j.durables[len(kept):])
	j.durables = kept
}

// recycle keeps the buffers of a group for frames to come.
func (j *Journal) recycle(group []*openFrame) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, o := range group {
		if len(j.spare) < maxSpareFrames {
			j.spare = append(j.spare, o)
		}
	}
	clear(group)
}

// fail makes the journal dead: nothing is acknowledged any more (E4).
func (j *Journal) fail(err error, group []*openFrame) {
	j.mu.Lock()
	j.err = err
	waiting := slices.Concat(group, j.full, []*openFrame{j.open})
	rolls := j.takeRolls()
	j.full = nil
	j.open = newOpenFrame(len(j.next))
	j.end()
	j.wakeDurables()
	close(j.failed)
	j.mu.Unlock()
	j.opts.Logger.Error().Err(err).Msg("journal: failed; nothing more is acknowledged, the process ends")
	for _, o := range waiting {
		deliver(o, err)
	}
	for _, done := range rolls {
		done <- err
	}
}
