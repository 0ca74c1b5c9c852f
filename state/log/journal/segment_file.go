package journal

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/log"
)

const (
	segmentSuffix = ".seg"
	tempSuffix    = ".tmp"
	lockName      = "LOCK"

	// writeCategory labels the journal's writes in disk health metrics of wrapping file systems.
	writeCategory vfs.DiskWriteCategory = "milepost-journal"
)

// segmentHeader is where a segment starts: totals of everything before its first frame.
type segmentHeader struct {
	id       log.ID
	shards   Shards
	first    uint64 // number of the first frame
	received uint64
	newest   int64
	base     []log.Offset // next offset of each partition
}

func segmentName(first uint64) string {
	return fmt.Sprintf("%020d%s", first, segmentSuffix)
}

func parseSegmentName(name string) (first uint64, ok bool) {
	digits, found := strings.CutSuffix(name, segmentSuffix)
	if !found || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil
}

func (h *segmentHeader) encode() []byte {
	b := make([]byte, segmentHeaderLen+8*len(h.base))
	copy(b, segmentMagic)
	le.PutUint32(b[12:], uint32(len(b)))
	le.PutUint32(b[16:], formatVersion)
	le.PutUint16(b[20:], uint16(h.shards.Events))
	le.PutUint16(b[22:], uint16(h.shards.Notices))
	copy(b[24:40], h.id[:])
	le.PutUint64(b[40:], h.first)
	le.PutUint64(b[48:], h.received)
	le.PutUint64(b[56:], uint64(h.newest))
	for i, o := range h.base {
		le.PutUint64(b[segmentHeaderLen+8*i:], uint64(o))
	}
	le.PutUint32(b[8:], checksum(b, 8))
	return b
}

// decodeSegmentHeader reads the header at the start of b and returns its length.
func decodeSegmentHeader(b []byte) (segmentHeader, int, error) {
	if len(b) < segmentHeaderLen || string(b[:8]) != segmentMagic {
		return segmentHeader{}, 0, fmt.Errorf("not a journal segment")
	}
	if v := le.Uint32(b[16:]); v != formatVersion && v != formatVersion-1 {
		return segmentHeader{}, 0, fmt.Errorf("format version is %d, this build reads %d and %d", v, formatVersion-1, formatVersion)
	}
	h := segmentHeader{
		shards:   Shards{Events: int(le.Uint16(b[20:])), Notices: int(le.Uint16(b[22:]))},
		id:       log.ID(b[24:40]),
		first:    le.Uint64(b[40:]),
		received: le.Uint64(b[48:]),
		newest:   int64(le.Uint64(b[56:])),
	}
	n := segmentHeaderLen + 8*h.shards.total()
	if len(b) < n || le.Uint32(b[12:]) != uint32(n) || checksum(b[:n], 8) != le.Uint32(b[8:]) {
		return segmentHeader{}, 0, fmt.Errorf("header is damaged")
	}
	if err := h.shards.check(); err != nil {
		return segmentHeader{}, 0, err
	}
	h.base = make([]log.Offset, h.shards.total())
	for i := range h.base {
		h.base[i] = log.Offset(le.Uint64(b[segmentHeaderLen+8*i:]))
	}
	return h, n, nil
}

// segment is a segment file and where its frames start.
type segment struct {
	segmentHeader
	path        string
	start       int64 // of the first frame in the file
	size        int64 // bytes with frames in them; the file may be longer
	durable     int64 // bytes with durable frames, of the one being written
	lastArrival int64 // highest up to and with its last frame
}

// openSegment reads the header of the segment at path.
func openSegment(fs vfs.FS, path string) (*segment, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("journal: open segment: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("journal: open segment %s: %w", path, err)
	}
	b := make([]byte, min(info.Size(), segmentHeaderLen+8*2*maxShards))
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, &ReadError{Path: path, Err: err}
	}
	h, n, err := decodeSegmentHeader(b)
	if err != nil {
		return nil, &DamageError{Path: path, Reason: err.Error()}
	}
	if first, _ := parseSegmentName(fs.PathBase(path)); first != h.first {
		return nil, &DamageError{Path: path, Reason: fmt.Sprintf("the header says frame %d", h.first)}
	}
	return &segment{segmentHeader: h, path: path, start: int64(n), size: info.Size()}, nil
}

// listSegments opens all segments of dir in order and checks that they belong together.
func listSegments(fs vfs.FS, dir string) ([]*segment, error) { return listBefore(fs, dir, noEnd) }

// listBefore is listSegments of those that begin before a frame.
func listBefore(fs vfs.FS, dir string, end uint64) ([]*segment, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: list %s: %w", dir, err)
	}
	slices.Sort(names)
	var segs []*segment
	for _, name := range names {
		if first, ok := parseSegmentName(name); !ok || first >= end {
			continue
		}
		s, err := openSegment(fs, fs.PathJoin(dir, name))
		if err != nil {
			return nil, err
		}
		if len(segs) > 0 {
			prev := segs[len(segs)-1]
			if err := prev.checkNext(s); err != nil {
				return nil, err
			}
			prev.lastArrival = s.newest
		}
		segs = append(segs, s)
	}
	return segs, nil
}

// checkNext reports whether n can follow s.
func (s *segment) checkNext(n *segment) error {
	if n.id != s.id {
		return &DamageError{Path: n.path, Reason: fmt.Sprintf("it is of journal %x, the segment before it of %x", n.id, s.id)}
	}
	if n.shards != s.shards {
		return &DamageError{Path: n.path, Reason: fmt.Sprintf("it has partitions %+v, the segment before it %+v", n.shards, s.shards)}
	}
	for i, o := range n.base {
		if o < s.base[i] {
			return &DamageError{Path: n.path, Reason: fmt.Sprintf("partition %d starts at %d, below the segment before it at %d", i, o, s.base[i])}
		}
	}
	return nil
}
