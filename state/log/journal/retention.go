package journal

import (
	"github.com/milepost-io/milepost/state/log"
)

// Trim implements log.Log. The files go in the background; an offset below an earlier one changes nothing.
func (j *Journal) Trim(p log.Partition, below log.Offset) {
	part := j.mustIndex(p)
	j.mu.Lock()
	defer j.mu.Unlock()
	if below <= j.trimmed[part] {
		return
	}
	j.trimmed[part] = below
	if len(j.segments) > 1 && j.allTrimmed(j.segments[1]) {
		j.retain = true
		j.wakeSyncer()
	}
}

// Shed lets go of the oldest segments that only Keep and MaxBytes keep, until n bytes are free. What Trim has
// not allowed stays: it is needed. The files go in the background; a later call replaces an earlier one.
func (j *Journal) Shed(n int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.shed = max(n, 0); j.shed > 0 && len(j.segments) > 1 && j.allTrimmed(j.segments[1]) {
		j.retain = true
		j.wakeSyncer()
	}
}

// allTrimmed reports whether every record before segment s may go. mu is held.
func (j *Journal) allTrimmed(s *segment) bool {
	for part, base := range s.base {
		if j.trimmed[part] < base {
			return false
		}
	}
	return true
}

// removable returns the oldest segment when it may go and nothing keeps it, else nil. mu is held.
func (j *Journal) removable() *segment {
	if j.pins > 0 || len(j.segments) < 2 || !j.allTrimmed(j.segments[1]) {
		return nil
	}
	oldest := j.segments[0]
	if j.shed > 0 {
		return oldest
	}
	if j.opts.Keep <= 0 || oldest.lastArrival < j.opts.Now().Add(-j.opts.Keep).UnixMilli() {
		return oldest
	}
	if j.opts.MaxBytes > 0 {
		var total int64
		for _, s := range j.segments {
			total += s.size
		}
		if total > j.opts.MaxBytes {
			return oldest
		}
	}
	return nil
}

// removeOld removes the segments that nothing keeps any more, oldest first. Each removal is durable
// before the next, so that a crash cannot leave a gap. A file that cannot be removed is left for the
// next time; a folder that cannot be synced is a failure.
func (j *Journal) removeOld() error {
	for {
		j.mu.Lock()
		s := (*segment)(nil)
		if j.retain {
			s = j.removable()
			j.retain = s != nil
		}
		j.mu.Unlock()
		if s == nil {
			return nil
		}
		removed, err := j.removeSegment(s)
		if err != nil || !removed {
			return err
		}
	}
}

// removeSegment removes the oldest segment.
func (j *Journal) removeSegment(s *segment) (removed bool, err error) {
	j.replacing.Lock()
	defer j.replacing.Unlock()
	if err := j.opts.FS.Remove(s.path); err != nil {
		j.mu.Lock()
		j.retain = false
		j.mu.Unlock()
		j.opts.Logger.Warn().Err(err).Str("segment", s.path).Msg("journal: cannot remove a segment, will try again")
		return false, nil
	}
	if err := j.writer.dir.Sync(); err != nil {
		return false, &SyncError{Path: j.opts.Dir, Err: err}
	}
	j.mu.Lock()
	j.segments = j.segments[1:]
	shed := j.shed > 0
	if shed {
		j.shed = max(0, j.shed-s.size)
		j.stats.Shed++
	}
	j.mu.Unlock()
	j.opts.Logger.Debug().Str("segment", s.path).Bool("early", shed).Msg("journal: removed a segment")
	return true, nil
}
