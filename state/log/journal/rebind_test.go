package journal

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/milepost-io/milepost/state/log"
)

var otherID = log.ID{1, 2, 3}

// TestRebind: the copy has the same records under the new id, with the edits, and nothing of the two can be
// mixed (E15).
func TestRebind(t *testing.T) {
	o, segs := written(t, 40)
	var want [][]byte
	edit := func(p log.Partition, _ log.Offset, r *log.Record) {
		if p == part0 {
			copy(r.Payload, "edit")
		}
	}
	before, err := OpenReadOnly(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range before.All() {
		if err != nil {
			t.Fatal(err)
		}
		edit(e.Partition, e.Offset, &e.Record)
		want = append(want, bytes.Clone(e.Record.Payload))
	}
	base, ends, err := Rebind(context.Background(), rebindTo(t, o, "copy", edit))
	if err != nil {
		t.Fatal(err)
	}
	co := o
	co.Dir = "copy"
	j := mustOpen(t, co)
	if j.ID() != otherID {
		t.Errorf("the copy has id %x, want %x", j.ID(), otherID)
	}
	for part := range testShards.total() {
		if first, next := j.Range(testShards.partition(part)); first != base[part] || next != ends[part] {
			t.Errorf("partition %d has %d to %d, Rebind said %d to %d", part, first, next, base[part], ends[part])
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	after, err := OpenReadOnly(o.FS, "copy")
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range after.All() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, bytes.Clone(e.Record.Payload))
	}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d records, want %d, or they differ", len(got), len(want))
	}
	name := o.FS.PathBase(segs[0].path)
	change(t, o.FS, o.FS.PathJoin("copy", name), func([]byte) []byte { return fileBytes(t, o, segs[0].path) })
	if _, err := Open(co); err == nil {
		t.Error("a segment of the old journal was taken for one of the new")
	}
}

// TestRebindDamaged: every frame must be there and right.
func TestRebindDamaged(t *testing.T) {
	for _, tc := range []struct {
		name string
		harm func(t *testing.T, o Options, segs []*segment) (path string)
	}{
		{"flipped byte", func(t *testing.T, o Options, segs []*segment) string {
			change(t, o.FS, segs[1].path, flip(segs[1].start+40))
			return segs[1].path
		}},
		{"missing segment", func(t *testing.T, o Options, segs []*segment) string {
			if err := o.FS.Remove(segs[1].path); err != nil {
				t.Fatal(err)
			}
			return segs[0].path
		}},
		{"last cut short", func(t *testing.T, o Options, segs []*segment) string {
			last := segs[len(segs)-1]
			change(t, o.FS, last.path, func(b []byte) []byte { return b[:len(b)-8] })
			return last.path
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, segs := written(t, 40)
			path := tc.harm(t, o, segs)
			_, _, err := Rebind(context.Background(), rebindTo(t, o, "copy", nil))
			var damage *DamageError
			if !errors.As(err, &damage) || damage.Path != path {
				t.Errorf("error %v, want damage of %s", err, path)
			}
		})
	}
}

// TestRebindBefore: what is left out may be damaged, its header too.
func TestRebindBefore(t *testing.T) {
	o, segs := written(t, 40)
	change(t, o.FS, segs[2].path, flip(0))
	ro := rebindTo(t, o, "copy", nil)
	ro.Before = o.FS.PathBase(segs[2].path)
	_, ends, err := Rebind(context.Background(), ro)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ends, segs[2].base) {
		t.Errorf("the copy ends at %d, want %d", ends, segs[2].base)
	}
	o.Dir = "copy"
	mustOpen(t, o)
}

// TestCreateAt: an empty journal that begins somewhere.
func TestCreateAt(t *testing.T) {
	o, _ := written(t, 1)
	o.Dir = "fresh"
	base := []log.Offset{7, 0, 5, 9, 1}
	if err := CreateAt(o, otherID, base, 42); err != nil {
		t.Fatal(err)
	}
	j := mustOpen(t, o)
	if j.ID() != otherID || j.Received() != 42 {
		t.Errorf("id %x, received %d, want %x and 42", j.ID(), j.Received(), otherID)
	}
	off, err := j.Append(part0, []log.Record{modelRecord(part0, 7)}, log.Ack{})
	if err != nil || off != 7 {
		t.Errorf("the first record got offset %d (%v), want 7", off, err)
	}
}

func rebindTo(t *testing.T, o Options, dir string, edit func(log.Partition, log.Offset, *log.Record)) RebindOptions {
	t.Helper()
	if err := o.FS.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return RebindOptions{FS: o.FS, From: o.Dir, To: dir, ID: otherID, Edit: edit}
}

func fileBytes(t *testing.T, o Options, path string) (b []byte) {
	t.Helper()
	change(t, o.FS, path, func(old []byte) []byte {
		b = bytes.Clone(old)
		return old
	})
	return b
}
