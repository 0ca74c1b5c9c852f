package journal

import (
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// segmentWriter writes the last segment.
type segmentWriter struct {
	dir  vfs.File // the folder, to sync names; nil before it was opened
	file vfs.File
	seg  *segment

	last       frameHeader // of the last frame assembled
	written    frameHeader // of the last frame in a file
	durableSeq uint64      // the last frame that is durable
	dirty      bool        // frames were written since the last sync
	runs       []run       // scratch
}

// create makes the segment that h begins, with what fill writes as its first frames, durable under its
// name. It replaces a file of that name. On error there may be a temporary file, which Open removes.
func (w *segmentWriter) create(o *Options, h segmentHeader, fill func(io.Writer) (int64, error)) error {
	path := o.FS.PathJoin(o.Dir, segmentName(h.first))
	f, err := o.FS.OpenReadWrite(path+tempSuffix, writeCategory)
	if err != nil {
		return fmt.Errorf("journal: create segment: %w", err)
	}
	seg, err := fillSegment(o, f, h, path, fill)
	if err == nil {
		err = o.FS.Rename(path+tempSuffix, path)
	}
	if err == nil {
		err = synced(o.Dir, w.dir.Sync())
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("journal: create segment %s: %w", path, err)
	}
	w.file, w.seg = f, seg
	return nil
}

func fillSegment(o *Options, f vfs.File, h segmentHeader, path string, fill func(io.Writer) (int64, error)) (*segment, error) {
	preallocate(o, f)
	head := h.encode()
	if _, err := f.WriteAt(head, 0); err != nil {
		return nil, err
	}
	seg := &segment{segmentHeader: h, path: path, start: int64(len(head)), lastArrival: h.newest}
	seg.size = seg.start
	if fill != nil {
		n, err := fill(io.NewOffsetWriter(f, seg.start))
		if err != nil {
			return nil, err
		}
		seg.size += n
	}
	seg.durable = seg.size
	return seg, synced(path, f.Sync())
}

func synced(path string, err error) error {
	if err != nil {
		return &SyncError{Path: path, Err: err}
	}
	return nil
}

// preallocate asks for the room of a whole segment, which makes appending to it faster. Where room is
// short it would take what others need now for what this segment may need later; and a file system that
// cannot preallocate, or has no room, says so again at the write.
func preallocate(o *Options, f vfs.File) {
	if u, err := o.FS.GetDiskUsage(o.Dir); err == nil && int64(u.AvailBytes) < 4*o.SegmentBytes {
		return
	}
	_ = f.Preallocate(0, o.SegmentBytes)
}

// close closes the segment file.
func (w *segmentWriter) close() error {
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	if err != nil {
		return fmt.Errorf("journal: close segment %s: %w", w.seg.path, err)
	}
	return nil
}
