package journal

import (
	"math"
	"math/bits"
	"time"
)

// Stats is what a journal did since it was opened, and what it holds now.
type Stats struct {
	Records uint64 // appended
	Bytes   uint64 // written to segments, frame headers included
	Frames  uint64 // written
	Syncs   Durations
	// DiskFrames counts frames that readers had to read from segments because they had fallen behind.
	DiskFrames uint64

	// Shed counts segments that were removed early to make room.
	Shed uint64

	Segments      int
	SegmentBytes  int64 // with frames in them
	NeededBytes   int64 // of them in segments that Trim has not allowed to go
	MemoryBytes   int64 // of frames kept for readers
	UnsyncedBytes int64
	// FirstFrame is the first kept, LastFrame the last durable one.
	FirstFrame, LastFrame uint64
}

// durationBuckets cover 16 µs to a minute, two to an octave.
const durationBuckets = 44

// Durations is a histogram of durations.
type Durations struct {
	Count    uint64
	Sum, Max time.Duration
	// Buckets counts durations by DurationBound; the last one has no bound.
	Buckets [durationBuckets]uint64
}

// DurationBound is the upper bound of bucket i of Durations.
func DurationBound(i int) time.Duration {
	if i >= durationBuckets-1 {
		return math.MaxInt64
	}
	bound := 16 * time.Microsecond << (i / 2)
	if i%2 == 1 {
		bound += bound / 2
	}
	return bound
}

func (d *Durations) observe(t time.Duration) {
	d.Count++
	d.Sum += t
	d.Max = max(d.Max, t)
	i := 0
	if units := uint64(t / (16 * time.Microsecond)); units > 0 {
		i = min(2*(bits.Len64(units)-1), durationBuckets-1)
	}
	for t > DurationBound(i) {
		i++
	}
	d.Buckets[i]++
}

// Quantile estimates the q-quantile (0 to 1) from above: at most half more than the true one.
func (d *Durations) Quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(d.Count)))
	var seen uint64
	for i, n := range d.Buckets {
		if seen += n; n > 0 && seen >= rank {
			return min(DurationBound(i), d.Max)
		}
	}
	return d.Max
}

// Stats tells what the journal did and holds.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.DiskFrames = j.diskFrames.Load()
	s.Segments = len(j.segments)
	for i, seg := range j.segments {
		s.SegmentBytes += seg.size
		if s.NeededBytes > 0 || i+1 == len(j.segments) || !j.allTrimmed(j.segments[i+1]) {
			s.NeededBytes += seg.size
		}
	}
	s.MemoryBytes = j.ring.bytes
	s.UnsyncedBytes = j.unsynced
	s.FirstFrame, s.LastFrame = j.segments[0].first, j.durableSeq
	return s
}
