package journal

import (
	"fmt"

	"github.com/milepost-io/milepost/state/log"
)

// Cut is a part of a running journal, whole segments from one on, to be copied as files. Copied under
// their names into an empty folder they are a journal that ends where Ends says.
type Cut struct {
	ID     log.ID
	Shards Shards
	Files  []CutFile
	// Ends are the offsets after the last, of each partition, events first. What was becoming durable at
	// that moment may be in the files too.
	Ends []log.Offset
}

// CutFile is the first Size bytes of a segment.
type CutFile struct {
	Name, Path string
	Size       int64
	// Base is the first offset of each partition in it.
	Base []log.Offset
	// Sealed says that the file is not written to any more, so that a hard link is as good as a copy.
	Sealed bool
}

// Pin keeps every segment there is, and every later one, until release is called: once, from any
// goroutine. Several pins may be held at a time.
func (j *Journal) Pin() (release func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pins++
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.pins--; j.pins == 0 {
			j.retain = true
			j.wakeSyncer()
		}
	}
}

// Cut returns the segments that hold the records from the given offsets on, up to what is durable now. The
// caller holds a pin since before it learned the offsets, and they are not below what Trim was told: a
// segment whose removal was under way when the pin was taken is not among those.
func (j *Journal) Cut(from func(log.Partition) log.Offset) (Cut, error) {
	below := make([]log.Offset, j.opts.Shards.total())
	for part := range below {
		below[part] = from(j.opts.Shards.partition(part))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.endedErr(); err != nil {
		return Cut{}, err
	}
	for part := range below {
		if first, end := j.segments[0].base[part], j.durable[part]; below[part] < first || below[part] > end {
			p := j.opts.Shards.partition(part)
			return Cut{}, fmt.Errorf("journal: cut %s/%d from %d: the log has %d to %d", p.Stream, p.Shard, below[part], first, end)
		}
	}
	first := 0
	for first+1 < len(j.segments) && reaches(below, j.segments[first+1].base) {
		first++
	}
	c := Cut{
		ID: j.id, Shards: j.opts.Shards, Ends: append([]log.Offset(nil), j.durable...),
	}
	for i, s := range j.segments[first:] {
		f := CutFile{Name: segmentName(s.first), Path: s.path, Size: s.size, Base: append([]log.Offset(nil), s.base...), Sealed: first+i+1 < len(j.segments)}
		if !f.Sealed {
			f.Size = s.durable
		}
		c.Files = append(c.Files, f)
	}
	return c, nil // a segment sealed within the group being synced may have more than Ends counts
}
