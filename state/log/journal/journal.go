package journal

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/milepost-io/milepost/state/log"
)

// Journal is the log.Log of one machine, in a folder that it has to itself.
//
// It promises, beside the contract: records of one Append are in one frame, and frames survive a crash
// as a prefix over all partitions, so a record that survives has every record readable before its
// Append survive too. Open starts one goroutine, the syncer, which Close waits for.
type Journal struct {
	opts Options
	id   log.ID
	lock io.Closer // of the folder
	pool framePool

	// The syncer's own.
	writer segmentWriter
	group  []*openFrame
	frames []*frame

	replacing sync.Mutex // held by whoever replaces or removes a segment's file

	failed chan struct{}
	done   chan struct{} // the syncer has ended
	wake   chan struct{} // to the syncer when it is idle
	ended  atomic.Bool   // failed or closing; set under mu

	diskFrames atomic.Uint64 // Stats.DiskFrames

	mu       sync.Mutex
	space    sync.Cond // unsynced went down, or ended
	open     *openFrame
	full     []*openFrame // closed to appends, not yet taken by the syncer
	spare    []*openFrame
	idle     bool         // the syncer waits on wake
	retain   bool         // there may be segments to remove
	pins     int          // Pin: while above 0 none is removed
	shed     int64        // bytes of segments to remove although Keep would keep them
	rolls    []chan error // who waits for a new segment
	closing  bool         // Close was called
	closed   bool         // and the syncer has ended
	err      error
	unsynced int64
	received uint64

	next     []log.Offset // of the next record, by partition
	readable []log.Offset // of the first record that is not yet in a closed frame
	durable  []log.Offset
	trimmed  []log.Offset // below which Trim allows removal

	ring       ring
	segments   []*segment // the last is being written
	durableSeq uint64     // last durable frame
	waiting    [][]*reader
	durables   []*durableWaiter
	stats      Stats
}

var _ log.Log = (*Journal)(nil)

// ID is the journal's identity, made with it.
func (j *Journal) ID() log.ID { return j.id }

// Shards is the number of partitions of a stream.
func (j *Journal) Shards(s log.Stream) int { return j.opts.Shards.of(s) }

// Append implements log.Log.
func (j *Journal) Append(p log.Partition, recs []log.Record, ack log.Ack) (log.Offset, error) {
	part, ok := j.opts.Shards.index(p)
	if !ok {
		return 0, j.noPartition("append to", p)
	}
	if err := checkAppend(recs); err != nil {
		return 0, fmt.Errorf("journal: append to %s/%d: %w", p.Stream, p.Shard, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	limit := j.opts.MaxUnsynced
	if len(recs) > 0 && recs[0].Kind != log.Event {
		limit *= 2
	}
	for j.unsynced >= limit && !j.ended.Load() {
		j.space.Wait()
	}
	if err := j.endedErr(); err != nil {
		return 0, err
	}
	o := j.open
	events := o.events
	j.unsynced += int64(o.add(part, recs))
	if ack.To != nil {
		o.acks = append(o.acks, ack)
	}
	j.received += o.events - events
	j.stats.Records += uint64(len(recs))
	first := j.next[part]
	j.next[part] += log.Offset(len(recs))
	if o.bytes >= j.opts.FrameBytes {
		j.closeOpen()
	}
	j.wakeSyncer()
	return first, nil
}

// checkAppend refuses what cannot be encoded.
func checkAppend(recs []log.Record) error {
	size := 0
	for i := range recs {
		r := &recs[i]
		if r.Kind > kindMask {
			return fmt.Errorf("record %d has kind %d, expected at most %d", i, r.Kind, kindMask)
		}
		size += recordBound(r)
	}
	if size > maxFrame/2 {
		return fmt.Errorf("%d records of %d bytes, expected at most %d bytes", len(recs), size, maxFrame/2)
	}
	return nil
}

// closeOpen hands the open frame to the syncer and opens another. mu is held.
func (j *Journal) closeOpen() {
	j.full = append(j.full, j.open)
	if n := len(j.spare); n > 0 {
		j.open = j.spare[n-1]
		j.spare = j.spare[:n-1]
	} else {
		j.open = newOpenFrame(len(j.next))
	}
	j.open.reset(j.next)
}

// wakeSyncer makes an idle syncer look again. mu is held.
func (j *Journal) wakeSyncer() {
	if j.idle {
		j.idle = false
		j.wake <- struct{}{}
	}
}

// Range implements log.Log.
func (j *Journal) Range(p log.Partition) (first, next log.Offset) {
	part := j.mustIndex(p)
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[0].base[part], j.next[part]
}

// Durable implements log.Log.
func (j *Journal) Durable(p log.Partition) log.Offset {
	part := j.mustIndex(p)
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.durable[part]
}

// durableWaiter is a call of WaitDurable.
type durableWaiter struct {
	part int
	end  log.Offset
	wake chan struct{} // closed when reached or ended
}

// WaitDurable implements log.Log.
func (j *Journal) WaitDurable(ctx context.Context, p log.Partition, end log.Offset) error {
	part := j.mustIndex(p)
	j.mu.Lock()
	if j.durable[part] >= end {
		j.mu.Unlock()
		return nil
	}
	if j.err != nil || j.closed {
		defer j.mu.Unlock()
		return j.endedErr()
	}
	w := &durableWaiter{part: part, end: end, wake: make(chan struct{})}
	j.durables = append(j.durables, w)
	j.mu.Unlock()

	select {
	case <-w.wake:
	case <-ctx.Done():
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.durables = slices.DeleteFunc(j.durables, func(o *durableWaiter) bool { return o == w })
	switch {
	case j.durable[part] >= end:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return j.endedErr()
}

// Received implements log.Log.
func (j *Journal) Received() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.received
}

// Failed implements log.Log.
func (j *Journal) Failed() <-chan struct{} { return j.failed }

// Err implements log.Log.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Close implements log.Log. Records appended before it are durable and their acks delivered when it
// returns nil. It must not be called from an Acker.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		<-j.done
		return j.Err()
	}
	j.closing = true
	j.end()
	j.wakeSyncer()
	j.mu.Unlock()
	<-j.done

	j.mu.Lock()
	j.closed = true
	j.wakeDurables()
	err := j.err
	j.mu.Unlock()
	if cerr := j.release(); err == nil {
		err = cerr
	}
	return err
}

// release gives up the files.
func (j *Journal) release() error {
	err := j.writer.close()
	if j.writer.dir != nil {
		if derr := j.writer.dir.Close(); err == nil && derr != nil {
			err = fmt.Errorf("journal: close folder %s: %w", j.opts.Dir, derr)
		}
	}
	if lerr := j.lock.Close(); err == nil && lerr != nil {
		err = fmt.Errorf("journal: unlock %s: %w", j.opts.Dir, lerr)
	}
	return err
}

// end turns away new work and wakes whoever waits for it. mu is held.
func (j *Journal) end() {
	j.ended.Store(true)
	j.space.Broadcast()
	for part := range j.waiting {
		j.wakeReaders(part)
	}
}

// endedErr is why the journal takes no more calls; nil while it does. mu is held.
func (j *Journal) endedErr() error {
	switch {
	case j.err != nil:
		return j.err
	case j.closing:
		return log.ErrClosed
	}
	return nil
}

func (j *Journal) noPartition(op string, p log.Partition) error {
	return fmt.Errorf("journal: %s %s/%d: the journal has %d partitions of %s", op, p.Stream, p.Shard, j.Shards(p.Stream), p.Stream)
}

// mustIndex is for calls that have no error to return: a partition that does not exist is a mistake
// in the program.
func (j *Journal) mustIndex(p log.Partition) int {
	part, ok := j.opts.Shards.index(p)
	if !ok {
		panic(j.noPartition("look at", p))
	}
	return part
}
