package journal

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/state/log"
)

// Shards is the number of partitions of each stream, each 1 to 1,024.
type Shards struct {
	Events, Notices int
}

// Options configure a journal. Dir and Shards are required; zero elsewhere means the default.
type Options struct {
	// FS is the file system; default the operating system's.
	FS vfs.FS
	// Dir is the folder of the journal; it is created when missing. One process at a time writes it.
	Dir string
	// Shards are fixed when the journal is made. Opening it with others is refused.
	Shards Shards
	// SegmentBytes is the size of a segment file; default 64 MiB, less on a file system below 4 GiB: a
	// sixty-fourth of it, at least 1 MiB. Only whole segments can be removed.
	SegmentBytes int64
	// FrameBytes closes a frame that is gathering while a sync runs, so that frames stay small enough to be
	// checked, kept and thrown away one by one; default 1 MiB. An Append is never split.
	FrameBytes int
	// MaxUnsynced bounds the bytes that wait for their sync before an Append of events blocks; default
	// 16 MiB. The Append that reaches the bound is let in, so the true bound is one Append more. What the
	// engine appends itself blocks at twice that: input must not keep it from its own work.
	MaxUnsynced int64
	// Memory bounds the frames kept in memory for readers, in bytes; default 64 MiB. Frames that are
	// being synced come on top.
	Memory int64
	// Keep is how long records stay although Trim has allowed their removal, counted from their arrival;
	// default not at all. A segment goes when its newest record may.
	Keep time.Duration
	// MaxBytes bounds the segments kept because of Keep: beyond it the oldest go early. What Trim has
	// not allowed stays whatever its size. Default no bound.
	MaxBytes int64
	// Now is the engine's clock (E18), against which Keep is judged; default time.Now.
	Now func() time.Time
	// Logger tells of opening, cut tails, segments and failure.
	Logger zerolog.Logger
}

const (
	defaultSegmentBytes = 64 << 20
	defaultFrameBytes   = 1 << 20
	defaultMaxUnsynced  = 16 << 20
	defaultMemory       = 64 << 20
	maxShards           = 1024
	minSegmentBytes     = 1 << 20
	// segmentsPerDisk is how many segments the whole file system would hold, at least.
	segmentsPerDisk = 64
)

// segmentBytes is the default size of a segment on the file system of dir, which exists.
func segmentBytes(fs vfs.FS, dir string) int64 {
	u, err := fs.GetDiskUsage(dir)
	if err != nil || u.TotalBytes == 0 {
		return defaultSegmentBytes
	}
	return min(max(int64(u.TotalBytes/segmentsPerDisk), minSegmentBytes), defaultSegmentBytes)
}

// withDefaults returns the options completed and checked.
func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, fmt.Errorf("journal: open: no folder given")
	}
	if err := o.Shards.check(); err != nil {
		return o, fmt.Errorf("journal: open %s: %w", o.Dir, err)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.FrameBytes <= 0 {
		o.FrameBytes = defaultFrameBytes
	}
	if o.MaxUnsynced <= 0 {
		o.MaxUnsynced = defaultMaxUnsynced
	}
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

func (s Shards) check() error {
	for _, c := range []struct {
		stream log.Stream
		n      int
	}{{log.Events, s.Events}, {log.Notices, s.Notices}} {
		if c.n < 1 || c.n > maxShards {
			return fmt.Errorf("%d partitions of %s, expected 1 to %d", c.n, c.stream, maxShards)
		}
	}
	return nil
}

// total is the number of partitions of both streams.
func (s Shards) total() int { return s.Events + s.Notices }

// of is the number of partitions of a stream; 0 for an unknown one.
func (s Shards) of(stream log.Stream) int {
	switch stream {
	case log.Events:
		return s.Events
	case log.Notices:
		return s.Notices
	}
	return 0
}

// index numbers all partitions from 0, events first; ok is false for one that does not exist.
func (s Shards) index(p log.Partition) (i int, ok bool) {
	if int(p.Shard) >= s.of(p.Stream) {
		return 0, false
	}
	if p.Stream == log.Notices {
		return s.Events + int(p.Shard), true
	}
	return int(p.Shard), true
}

// partition is the inverse of index.
func (s Shards) partition(i int) log.Partition {
	if i < s.Events {
		return log.Partition{Stream: log.Events, Shard: uint16(i)}
	}
	return log.Partition{Stream: log.Notices, Shard: uint16(i - s.Events)}
}
