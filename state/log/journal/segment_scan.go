package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const scanWindow = 256 << 10

// scanner reads the frames of one segment in order. A frame is valid until the next call.
type scanner struct {
	seg  *segment
	file vfs.File
	next uint64 // number of the next frame
	end  uint64 // number of the first frame that is not this segment's
	pos  int64  // of the next frame in the file

	buf   []byte // bytes of the file from bufAt
	bufAt int64
	runs  []run
}

// noEnd is the end of the last segment, which is not known before it was scanned.
const noEnd = math.MaxUint64

func newScanner(fs vfs.FS, seg *segment, end uint64) (*scanner, error) {
	f, err := fs.Open(seg.path, vfs.SequentialReadsOption)
	if err != nil {
		return nil, fmt.Errorf("journal: open segment: %w", err)
	}
	return &scanner{seg: seg, file: f, next: seg.first, end: end, pos: seg.start, buf: make([]byte, 0, scanWindow)}, nil
}

func (s *scanner) close() error { return s.file.Close() }

// badFrame is why there is no valid frame where one should be.
type badFrame struct{ reason error }

func (e *badFrame) Error() string { return e.reason.Error() }

// frame returns the next frame and its bytes. io.EOF means the segment's end was reached; a *badFrame
// that the file has no valid frame here: the end of the last segment, or damage.
func (s *scanner) frame() (frameHeader, []run, []byte, error) {
	if s.next >= s.end {
		return frameHeader{}, nil, nil, io.EOF
	}
	h, b, err := s.read(s.pos)
	var bad *badFrame
	if errors.As(err, &bad) && s.bufAt != s.pos {
		// The window may have been read while the frame was being written.
		s.buf = s.buf[:0]
		h, b, err = s.read(s.pos)
	}
	if err != nil {
		return frameHeader{}, nil, nil, err
	}
	if h.seq != s.next {
		return frameHeader{}, nil, nil, &badFrame{fmt.Errorf("frame %d where %d should be", h.seq, s.next)}
	}
	s.pos += int64(len(b))
	s.next++
	return h, s.runs, b, nil
}

// read returns the frame at pos, whatever its number.
func (s *scanner) read(pos int64) (frameHeader, []byte, error) {
	b, err := s.peek(pos, frameHeaderLen)
	if err != nil {
		return frameHeader{}, nil, err
	}
	n, err := frameLen(b, s.seg.id)
	if err != nil {
		return frameHeader{}, nil, &badFrame{err}
	}
	if b, err = s.peek(pos, n); err != nil {
		return frameHeader{}, nil, err
	}
	var h frameHeader
	h, s.runs, err = decodeFrame(b, s.seg.id, s.seg.shards, s.runs[:0])
	if err != nil {
		return h, nil, &badFrame{err}
	}
	return h, b, nil
}

// peek returns n bytes of the file from pos. The window only grows when the file has that many.
func (s *scanner) peek(pos int64, n int) ([]byte, error) {
	if off := pos - s.bufAt; off >= 0 && off+int64(n) <= int64(len(s.buf)) {
		return s.buf[off : off+int64(n)], nil
	}
	if n > cap(s.buf) {
		info, err := s.file.Stat()
		if err != nil {
			return nil, &ReadError{Path: s.seg.path, Offset: pos, Err: err}
		}
		if pos+int64(n) > info.Size() {
			return nil, &badFrame{fmt.Errorf("frame of %d bytes, the file has %d", n, info.Size()-pos)}
		}
		s.buf = make([]byte, 0, n)
	}
	got, err := s.file.ReadAt(s.buf[:cap(s.buf)], pos)
	s.buf, s.bufAt = s.buf[:got], pos
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, &ReadError{Path: s.seg.path, Offset: pos + int64(got), Err: err}
	}
	if got < n {
		return nil, &badFrame{fmt.Errorf("the file ends after %d of %d bytes", got, n)}
	}
	return s.buf[:n], nil
}

// damage is the error for a segment whose bad frame is known to have been durable.
func (s *scanner) damage(reason string) *DamageError {
	return &DamageError{Path: s.seg.path, Offset: s.pos, Reason: reason}
}

// damageBefore is damage for a segment that another one follows. Where nothing at all stands in the place of
// the frame it is likely that files between the two are gone.
func (s *scanner) damageBefore(bad error) *DamageError {
	d := s.damage(bad.Error())
	if b, err := s.peek(s.pos, frameHeaderLen); err == nil && len(bytes.Trim(b, "\x00")) > 0 {
		return d
	}
	d.Reason = fmt.Sprintf("it ends there, and the next segment begins with frame %d, not %d: a segment file is missing, or the end of this one", s.end, s.next)
	return d
}

// proveTorn looks at what follows the bad frame at s.pos: nil when nothing says that it had been durable,
// a DamageError when a later frame does. It reads the rest of the file.
func (s *scanner) proveTorn(bad error) error {
	pos := s.pos + frameAlign
	for {
		at, ok, err := s.find(pos)
		if err != nil || !ok {
			return err
		}
		h, b, err := s.read(at)
		var not *badFrame
		switch {
		case errors.As(err, &not):
			pos = at + frameAlign
		case err != nil:
			return err
		case h.seq > s.next && h.durableThrough >= s.next:
			return s.damage(fmt.Sprintf("frame %d is bad (%v), but frame %d at byte %d says that it was durable", s.next, bad, h.seq, at))
		default:
			pos = at + int64(len(b))
		}
	}
}

// find returns where the next frame magic on a multiple of frameAlign is, from pos on.
func (s *scanner) find(pos int64) (int64, bool, error) {
	for {
		_, err := s.peek(pos, frameHeaderLen)
		var not *badFrame
		if errors.As(err, &not) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		b := s.buf[pos-s.bufAt:]
		i := bytes.Index(b, []byte(frameMagic))
		switch {
		case i < 0:
			pos += int64(len(b)) &^ (frameAlign - 1)
		case i%frameAlign == 0:
			return pos + int64(i), true, nil
		default:
			pos += int64(i)&^(frameAlign-1) + frameAlign
		}
	}
}
