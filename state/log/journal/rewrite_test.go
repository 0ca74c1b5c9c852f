package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/logtest"
)

// secret is what is to go; every seventh record holds it.
var secret = []byte("4Qz-secret-7Kx")

func secretRecord(n int) log.Record {
	r := logtest.Record(n)
	r.Kind = log.Event
	if n%7 == 0 {
		r.Key, r.Topic, r.Payload = secret, secret, bytes.Repeat(secret, 3)
	}
	return r
}

func blankSecret(_ log.Partition, _ log.Offset, r *log.Record) bool {
	if !bytes.Equal(r.Key, secret) {
		return false
	}
	Blank(r)
	return true
}

func fillSecrets(t testing.TB, j *Journal, n int) {
	t.Helper()
	for i := range n {
		p := testShards.partition(i % testShards.total())
		off, err := j.Append(p, []log.Record{secretRecord(i)}, log.Ack{})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.WaitDurable(testContext, p, off+1); err != nil {
			t.Fatal(err)
		}
	}
}

// contains counts the files of the journal that hold the secret.
func contains(t testing.TB, fs vfs.FS, dir string) (n int) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		found := false
		change(t.(*testing.T), fs, fs.PathJoin(dir, name), func(b []byte) []byte {
			found = bytes.Contains(b, secret)
			return b
		})
		if found {
			n++
		}
	}
	return n
}

// checkBlanked reads everything and wants it as it was but for what was blanked.
func checkBlanked(t *testing.T, o Options, n int, all bool) {
	t.Helper()
	a, err := OpenReadOnly(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for e, err := range a.All() {
		if err != nil {
			t.Fatal(err)
		}
		part, _ := testShards.index(e.Partition)
		i := int(e.Offset)*testShards.total() + part
		want := secretRecord(i)
		if e.Record.Erased {
			want.Erased = true
			for _, b := range []*[]byte{&want.Key, &want.Source, &want.Topic, &want.Payload} {
				*b = make([]byte, len(*b))
			}
		}
		if d := logtest.Diff(&e.Record, &want); d != "" {
			t.Fatalf("record %d: %s", i, d)
		}
		if gone := i%7 == 0; e.Record.Erased != gone && (all || !gone) {
			t.Fatalf("record %d: erased is %v", i, e.Record.Erased)
		}
		seen++
	}
	if seen != n {
		t.Fatalf("%d records, want %d", seen, n)
	}
}

func TestRewriteBlanksEveryEndedSegment(t *testing.T) {
	const n = 400
	o := Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards, SegmentBytes: 4 << 10}
	j := mustOpen(t, o)
	fillSecrets(t, j, n/2)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, o) // frames that are copied lie behind the end of a segment too
	for i := n / 2; i < n; i++ {
		p := testShards.partition(i % testShards.total())
		if _, err := j.Append(p, []log.Record{secretRecord(i)}, log.Ack{}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := j.Read(part0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if contains(t, o.FS, o.Dir) < 3 {
		t.Fatal("the secret is not in several segments: the test shows nothing")
	}
	if err := j.Roll(testContext); err != nil {
		t.Fatal(err)
	}
	if err := j.Roll(testContext); err != nil { // an empty segment stays
		t.Fatal(err)
	}
	changed, err := j.Rewrite(testContext, blankSecret, nil)
	if err != nil || changed != (n+6)/7 {
		t.Fatalf("%d records changed, %v; want %d", changed, err, (n+6)/7)
	}
	if k := contains(t, o.FS, o.Dir); k != 0 {
		t.Errorf("%d files still hold the secret", k)
	}
	checkBlanked(t, o, n, true)
	if changed, err = j.Rewrite(testContext, blankSecret, nil); err != nil || changed != 0 {
		t.Errorf("again: %d records changed, %v", changed, err)
	}
	for seen := 0; seen < n/testShards.total(); {
		_, recs, err := r.Read(testContext, 100)
		if err != nil {
			t.Fatal(err)
		}
		seen += len(recs)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, o)
	fillMore(t, j, n)
	checkBlanked(t, o, n+testShards.total(), true)
}

// fillMore appends one record to each partition.
func fillMore(t *testing.T, j *Journal, from int) {
	t.Helper()
	for i := from; i < from+testShards.total(); i++ {
		r := secretRecord(i)
		if i%7 == 0 {
			Blank(&r)
			r.Key, r.Topic, r.Payload = make([]byte, len(secret)), make([]byte, len(secret)), make([]byte, 3*len(secret))
		}
		p := testShards.partition(i % testShards.total())
		off, err := j.Append(p, []log.Record{r}, log.Ack{})
		if err == nil {
			err = j.WaitDurable(testContext, p, off+1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A crash at every write of a rewrite: every record is there, as it was or blanked, and a second rewrite
// blanks the rest.
func TestRewriteSurvivesCrashes(t *testing.T) {
	const n = 120
	for at := 1; ; at++ {
		rng := rand.New(rand.NewPCG(uint64(at), 5))
		mem := vfs.NewCrashableMem()
		left := -1
		var clone *vfs.MemFS
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				if left--; left == 0 {
					clone = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[at%3], RNG: rng})
				}
			}
			return nil
		}))
		o := Options{FS: fs, Dir: "journal", Shards: testShards, SegmentBytes: 2 << 10}
		j := mustOpen(t, o)
		fillSecrets(t, j, n)
		if err := j.Roll(testContext); err != nil {
			t.Fatal(err)
		}
		left = at
		if _, err := j.Rewrite(testContext, blankSecret, nil); err != nil {
			t.Fatal(err)
		}
		left = -1
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if clone == nil {
			if at < 20 {
				t.Errorf("only %d writes: the test shows little", at)
			}
			return
		}
		o.FS = clone
		checkBlanked(t, o, n, false)
		j = mustOpen(t, o)
		if err := errors.Join(j.Roll(testContext)); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Rewrite(testContext, blankSecret, nil); err != nil {
			t.Fatal(err)
		}
		if k := contains(t, clone, o.Dir); k != 0 {
			t.Fatalf("crash at write %d: %d files hold the secret after the second rewrite", at, k)
		}
		checkBlanked(t, o, n, true)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Segments that retention removes meanwhile are passed over, and do not come back.
func TestRewriteBesideRetention(t *testing.T) {
	o := Options{FS: vfs.NewMem(), Dir: "journal", Shards: testShards, SegmentBytes: 2 << 10}
	j := mustOpen(t, o)
	fillSecrets(t, j, 200)
	edited := 0
	_, err := j.Rewrite(testContext, func(p log.Partition, off log.Offset, r *log.Record) bool {
		if edited++; edited == 3 { // while the first segment is being written anew
			for part := range testShards.total() {
				p := testShards.partition(part)
				_, next := j.Range(p)
				j.Trim(p, next)
			}
			fillSecrets(t, j, 5) // what Trim asks for is done before it is durable
		}
		return blankSecret(p, off, r)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	segs, err := listSegments(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(len(segs)); len(segs) != j.Stats().Segments {
		t.Errorf("%s segment files, the journal knows %d", got, j.Stats().Segments)
	}
}
