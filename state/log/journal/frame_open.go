package journal

import (
	"github.com/milepost-io/milepost/state/log"
)

const (
	// keepRunBytes bounds the buffer a run keeps for its next frame after an unusually large one.
	keepRunBytes = 2 << 20
	// maxSpareFrames bounds the open frames, and closed frames out of use, whose memory is kept.
	maxSpareFrames = 16
)

// openFrame gathers appended records, a run per partition, until the syncer closes it.
type openFrame struct {
	base   []log.Offset // next offset of each partition when it was opened
	runs   []openRun
	bytes  int
	count  int
	events uint64
	newest int64
	acks   []log.Ack
}

type openRun struct {
	data  []byte
	count int
	prev  int64 // arrival of the last record
}

func newOpenFrame(partitions int) *openFrame {
	return &openFrame{base: make([]log.Offset, partitions), runs: make([]openRun, partitions)}
}

// reset makes o an empty frame that starts at next.
func (o *openFrame) reset(next []log.Offset) {
	copy(o.base, next)
	for i := range o.runs {
		r := &o.runs[i]
		if cap(r.data) > keepRunBytes {
			r.data = nil
		}
		r.data, r.count, r.prev = r.data[:0], 0, 0
	}
	o.bytes, o.count, o.events, o.newest = 0, 0, 0, 0
	o.acks = o.acks[:0]
}

// empty reports whether there is nothing to sync and nobody to tell.
func (o *openFrame) empty() bool { return o.count == 0 && len(o.acks) == 0 }

// add encodes records into the run of a partition and returns the bytes that took.
func (o *openFrame) add(part int, recs []log.Record) int {
	run := &o.runs[part]
	before := len(run.data)
	for i := range recs {
		r := &recs[i]
		run.data = appendRecord(run.data, r, run.prev)
		run.prev = r.Arrival
		o.newest = max(o.newest, r.Arrival)
		if r.Kind == log.Event {
			o.events++
		}
	}
	run.count += len(recs)
	o.count += len(recs)
	grown := len(run.data) - before
	o.bytes += grown
	return grown
}

// closed lists the non-empty runs by partition.
func (o *openFrame) closed(runs []run) []run {
	for i := range o.runs {
		if r := &o.runs[i]; r.count > 0 {
			runs = append(runs, run{part: i, first: o.base[i], count: r.count, data: r.data})
		}
	}
	return runs
}
