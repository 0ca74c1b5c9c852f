package journal

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/state/log"
)

var part0 = log.Partition{Stream: log.Events}

// written makes a journal of durable groups of one record each, over several segments, and returns its
// segments as they are after Close.
func written(t *testing.T, groups int) (Options, []*segment) {
	t.Helper()
	o := Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards, SegmentBytes: 4 << 10}
	j := mustOpen(t, o)
	m := newModel()
	for range groups {
		if err := m.append(j, part0, 1); err != nil {
			t.Fatal(err)
		}
		if err := j.WaitDurable(testContext, part0, m.next[part0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	segs, err := listSegments(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return o, segs
}

// framesOf returns where the frames of a segment are.
func framesOf(t *testing.T, fs vfs.FS, seg *segment) []int64 {
	t.Helper()
	s, err := newScanner(fs, seg, noEnd)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var at []int64
	for {
		pos := s.pos
		if _, _, _, err := s.frame(); err != nil {
			return at
		}
		at = append(at, pos)
	}
}

// change rewrites a file.
func change(t *testing.T, fs vfs.FS, path string, edit func([]byte) []byte) {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, err = fs.Create(path, writeCategory); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(edit(b)); err != nil {
		t.Fatal(err)
	}
}

func flip(at int64) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 0x10
		return b
	}
}

func wantDamage(t *testing.T, err error, path string, offset int64) {
	t.Helper()
	var d *DamageError
	if !errors.As(err, &d) {
		t.Fatalf("error is %v, want damage", err)
	}
	if d.Path != path || d.Offset != offset {
		t.Errorf("damage of %s at %d, want %s at %d: %v", d.Path, d.Offset, path, offset, err)
	}
	for _, part := range []string{path, "restore the data folder"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestDamagedMiddle(t *testing.T) {
	for _, where := range []struct {
		name string
		at   int64 // in the frame
	}{{"magic", 0}, {"length", 5}, {"checksum", 8}, {"journal id", 20}, {"number", 33}, {"directory", frameHeaderLen + 4}, {"record", frameHeaderLen + dirEntryLen + 1}} {
		t.Run(where.name, func(t *testing.T) {
			o, segs := written(t, 60)
			last := segs[len(segs)-1]
			frames := framesOf(t, o.FS, last)
			if len(frames) < 4 {
				t.Fatalf("%d frames in the last segment, want some", len(frames))
			}
			at := frames[len(frames)/2]
			change(t, o.FS, last.path, flip(at+where.at))
			_, err := Open(o)
			wantDamage(t, err, last.path, at)
			a, err := OpenReadOnly(o.FS, o.Dir)
			if err != nil {
				t.Fatal(err)
			}
			wantDamage(t, lastError(a), last.path, at)
		})
	}
}

func lastError(a *Archive) (last error) {
	for _, err := range a.All() {
		last = err
	}
	return last
}

// TestTornTail: the last frame says of itself that it was not yet durable, so a bad one is cut.
func TestTornTail(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(b []byte, last int64) []byte
	}{
		{"flipped", func(b []byte, last int64) []byte { return flip(last + frameHeaderLen + dirEntryLen)(b) }},
		{"short", func(b []byte, last int64) []byte { return b[:len(b)-1] }},
		{"header only", func(b []byte, last int64) []byte { return b[:last+frameHeaderLen] }},
		{"less than a header", func(b []byte, last int64) []byte { return b[:last+3] }},
		{"zeros", func(b []byte, last int64) []byte { clear(b[last:]); return b }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, segs := written(t, 60)
			last := segs[len(segs)-1]
			frames := framesOf(t, o.FS, last)
			change(t, o.FS, last.path, func(b []byte) []byte { return tc.edit(b, frames[len(frames)-1]) })
			j := mustOpen(t, o)
			if _, next := j.Range(part0); next != 59 {
				t.Fatalf("the log ends at %d, want 59", next)
			}
			if got := j.durableSeq; got != 59 {
				t.Errorf("last frame is %d, want 59", got)
			}
		})
	}
}

// TestUnsyncedGroupIsCut: frames after a bad one that do not say it was durable go with it.
func TestUnsyncedGroupIsCut(t *testing.T) {
	o, segs := written(t, 10)
	last := segs[len(segs)-1]
	frames := framesOf(t, o.FS, last)
	change(t, o.FS, last.path, func(b []byte) []byte {
		at := frames[len(frames)-1]
		frame := b[at:]
		le.PutUint64(frame[40:], last.first+uint64(len(frames))-3) // written with the one before
		le.PutUint32(frame[8:], checksum(frame, 8))
		return flip(frames[len(frames)-2])(b)
	})
	j := mustOpen(t, o)
	if _, next := j.Range(part0); next != 8 {
		t.Errorf("the log ends at %d, want 8", next)
	}
}

// TestCutTailStaysCut: what was cut off behind a bad frame does not come back when a frame of the same size
// is written where the bad one was.
func TestCutTailStaysCut(t *testing.T) {
	o := Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards}
	add := func(j *Journal, n int) {
		t.Helper()
		for range n {
			off, err := j.Append(part0, []log.Record{{Kind: log.Event, Key: []byte("V1")}}, log.Ack{})
			if err == nil {
				err = j.WaitDurable(testContext, part0, off+1)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	j := mustOpen(t, o)
	add(j, 10)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	segs, err := listSegments(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	frames := framesOf(t, o.FS, segs[0])
	change(t, o.FS, segs[0].path, func(b []byte) []byte {
		frame := b[frames[9]:]
		le.PutUint64(frame[40:], 8) // written with the one before
		le.PutUint32(frame[8:], checksum(frame[:frames[9]-frames[8]], 8))
		return flip(frames[8])(b)
	})
	for _, want := range []log.Offset{8, 9} {
		j = mustOpen(t, o)
		if _, next := j.Range(part0); next != want {
			t.Fatalf("the log ends at %d, want %d", next, want)
		}
		add(j, 1)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedOldSegment(t *testing.T) {
	o, segs := written(t, 120)
	if len(segs) < 3 {
		t.Fatalf("%d segments, want some", len(segs))
	}
	old := segs[0]
	frames := framesOf(t, o.FS, old)
	at := frames[len(frames)-1] // even the last frame: the next segment says that it was durable
	change(t, o.FS, old.path, flip(at+70))
	a, err := OpenReadOnly(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	wantDamage(t, lastError(a), old.path, at)

	j := mustOpen(t, o)
	r, err := j.Read(part0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err == nil {
		_, _, err = r.Poll(100)
	}
	wantDamage(t, err, old.path, at)
}

func TestDamagedHeader(t *testing.T) {
	o, segs := written(t, 60)
	for _, at := range []int64{0, 16, 30, 70} {
		change(t, o.FS, segs[0].path, flip(at))
		if _, err := Open(o); err == nil {
			t.Errorf("a flipped byte %d of the header is not noticed", at)
		}
		change(t, o.FS, segs[0].path, flip(at))
	}
	mustOpen(t, o)
}

func TestMissingSegment(t *testing.T) {
	o, segs := written(t, 120)
	if err := o.FS.Remove(segs[1].path); err != nil {
		t.Fatal(err)
	}
	j := mustOpen(t, o)
	r, err := j.Read(part0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err == nil {
		_, _, err = r.Poll(100)
	}
	wantDamage(t, err, segs[0].path, segs[0].size)
}

func TestForeignSegment(t *testing.T) {
	o, segs := written(t, 60)
	other, theirs := written(t, 60)
	last := theirs[len(theirs)-1]
	if err := o.FS.Remove(segs[len(segs)-1].path); err != nil {
		t.Fatal(err)
	}
	if err := vfs.CopyAcrossFS(other.FS, last.path, o.FS, last.path); err != nil {
		t.Fatal(err)
	}
	_, err := Open(o)
	wantDamage(t, err, last.path, 0)
}

// A segment file that somebody removed is named as that, by the reader and by the archive.
func TestMissingSegmentIsNamed(t *testing.T) {
	o, segs := written(t, 200)
	if len(segs) < 4 {
		t.Fatalf("%d segments, want some", len(segs))
	}
	if err := o.FS.Remove(segs[1].path); err != nil {
		t.Fatal(err)
	}
	says := func(err error) {
		t.Helper()
		var d *DamageError
		if !errors.As(err, &d) || d.Path != segs[0].path || !strings.Contains(err.Error(), "a segment file is missing") {
			t.Errorf("error is %v, want that a file after %s is missing", err, segs[0].path)
		}
	}
	a, err := OpenReadOnly(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, err = range a.All() {
		if err != nil {
			break
		}
	}
	says(err)
	j := mustOpen(t, o)
	r, err := j.Read(part0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err == nil {
		_, _, err = r.Poll(1)
	}
	says(err)
}

// A disk that does not give back a part of a segment is said to be that, and the log is not called damaged.
func TestUnreadableSegment(t *testing.T) {
	o, segs := written(t, 200)
	j := mustOpen(t, o)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	o.FS = errorfs.Wrap(o.FS, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt && op.Path == segs[1].path && op.Offset > 0 {
			return syscall.EIO
		}
		return nil
	}))
	a, err := OpenReadOnly(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, err = range a.All() {
		if err != nil {
			break
		}
	}
	var read *ReadError
	var damage *DamageError
	if !errors.As(err, &read) || errors.As(err, &damage) || read.Path != segs[1].path || read.Offset == 0 || !errors.Is(err, syscall.EIO) {
		t.Errorf("error is %v, want where %s cannot be read", err, segs[1].path)
	}
}

// A folder that may not be locked is not said to be in use.
func TestLockErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{{syscall.EAGAIN, "in use by another process"}, {syscall.EACCES, "permission denied"}, {syscall.EROFS, "read-only"}} {
		got := lockError("journal", c.err).Error()
		if !strings.Contains(got, c.want) || strings.Contains(got, "in use") != errors.Is(c.err, syscall.EAGAIN) {
			t.Errorf("%v is told as %q", c.err, got)
		}
	}
}
