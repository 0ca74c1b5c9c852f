package logtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/milepost-io/milepost/state/log"
)

func testRoundTrip(t *testing.T, in Instance) {
	want := Records(0, 1000)
	for i := 0; i < len(want); {
		n := min(1+i%17, len(want)-i)
		if off := mustAppend(t, in.Log, events, want[i:i+n], log.Ack{}); off != log.Offset(i) {
			t.Fatalf("append returned %d, want %d", off, i)
		}
		i += n
	}
	if first, next := in.Log.Range(events); first != 0 || next != log.Offset(len(want)) {
		t.Errorf("range is %d to %d, want 0 to %d", first, next, len(want))
	}
	expect(t, mustReader(t, in.Log, events, 0), 0, 1024, want...)
}

func testAppendCopies(t *testing.T, in Instance) {
	recs, want := Records(300, 1), Records(300, 1)
	mustAppend(t, in.Log, events, recs, log.Ack{})
	for _, b := range [][]byte{recs[0].Key, recs[0].Source, recs[0].Topic, recs[0].Origin, recs[0].Codec, recs[0].Payload} {
		for i := range b {
			b[i] = 'x'
		}
	}
	expect(t, mustReader(t, in.Log, events, 0), 0, 1, want...)
}

func testMax(t *testing.T, in Instance) {
	want := Records(0, 100)
	mustAppend(t, in.Log, events, want, log.Ack{})
	expect(t, mustReader(t, in.Log, events, 0), 0, 7, want...)
	expect(t, mustReader(t, in.Log, events, 0), 0, 1, want...)
}

func testReadFrom(t *testing.T, in Instance) {
	want := Records(0, 200)
	mustAppend(t, in.Log, events, want[:150], log.Ack{})
	mustAppend(t, in.Log, events, want[150:], log.Ack{})
	for _, from := range []int{0, 1, 77, 149, 150, 151, 199} {
		expect(t, mustReader(t, in.Log, events, log.Offset(from)), log.Offset(from), 64, want[from:]...)
	}
}

func testReadRange(t *testing.T, in Instance) {
	_, err := in.Log.Read(events, 1)
	wantErr(t, "read past the end of an empty log", err, log.ErrPastEnd)
	mustAppend(t, in.Log, events, Records(0, 3), log.Ack{})
	r := mustReader(t, in.Log, events, 3)
	mustAppend(t, in.Log, events, Records(3, 1), log.Ack{})
	expect(t, r, 3, 8, Record(3))
	_, err = in.Log.Read(events, 5)
	wantErr(t, "read past the end", err, log.ErrPastEnd)
	_, err = in.Log.Read(events, -1)
	wantErr(t, "read below the start", err, log.ErrTrimmed)
}

func testPartitions(t *testing.T, in Instance) {
	for i := range 100 {
		mustAppend(t, in.Log, events, Records(i, 1), log.Ack{})
		mustAppend(t, in.Log, events1, Records(1000+2*i, 2), log.Ack{})
		if off := mustAppend(t, in.Log, notices, Records(5000+i, 1), log.Ack{}); off != log.Offset(i) {
			t.Fatalf("append returned %d, want %d", off, i)
		}
	}
	expect(t, mustReader(t, in.Log, events, 0), 0, 100, Records(0, 100)...)
	expect(t, mustReader(t, in.Log, events1, 0), 0, 100, Records(1000, 200)...)
	expect(t, mustReader(t, in.Log, notices, 0), 0, 100, Records(5000, 100)...)
}

func testReadWaits(t *testing.T, in Instance) {
	const n = 500
	readers := []log.Reader{mustReader(t, in.Log, events, 0), mustReader(t, in.Log, events, 0)}
	var wg sync.WaitGroup
	for _, r := range readers {
		wg.Go(func() { expectAsync(t, r, Records(0, n)) })
	}
	for i := range n {
		mustAppend(t, in.Log, events, Records(i, 1), log.Ack{})
		mustAppend(t, in.Log, notices, Records(i, 1), log.Ack{})
	}
	wg.Wait()
}

// expectAsync is expect for a goroutine of the test.
func expectAsync(t *testing.T, r log.Reader, want []log.Record) {
	ctx := bounded(t)
	for at := 0; at < len(want); {
		off, recs, err := r.Read(ctx, 16)
		if err != nil || off != log.Offset(at) {
			t.Errorf("read at %d: offset %d, error %v", at, off, err)
			return
		}
		for i := range recs {
			if d := Diff(&recs[i], &want[at+i]); d != "" {
				t.Errorf("record %d: %s", at+i, d)
				return
			}
		}
		at += len(recs)
	}
}

func testReadContext(t *testing.T, in Instance) {
	r := mustReader(t, in.Log, events, 0)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, err := r.Read(ctx, 1)
		ended <- err
	}()
	cancel()
	wantErr(t, "read with a cancelled context", <-ended, context.Canceled)
	mustAppend(t, in.Log, events, Records(0, 1), log.Ack{})
	expect(t, r, 0, 1, Record(0)) // the reader lives on
}

func testPoll(t *testing.T, in Instance) {
	r := mustReader(t, in.Log, events, 0)
	if off, recs, err := r.Poll(10); off != 0 || len(recs) != 0 || err != nil {
		t.Errorf("poll of an empty partition: %d, %d records, %v", off, len(recs), err)
	}
	mustAppend(t, in.Log, events, Records(0, 2), log.Ack{})
	if err := in.Log.WaitDurable(bounded(t), events, 2); err != nil {
		t.Fatal(err)
	}
	if off, recs, err := r.Poll(10); off != 0 || len(recs) != 2 || err != nil {
		t.Errorf("poll of durable records: %d, %d records, %v", off, len(recs), err)
	}
}

func testAcks(t *testing.T, in Instance) {
	const n = 1000
	rec := newRecorder()
	rec.check = func(id uint64, err error) {
		if d := in.Log.Durable(events); err == nil && d < log.Offset(id) {
			t.Errorf("append that ends at %d is acknowledged, durable is %d", id, d)
		}
	}
	for i := range n {
		mustAppend(t, in.Log, events, Records(i, 1), log.Ack{To: rec, ID: uint64(i + 1)})
		mustAppend(t, in.Log, events1, Records(i, 1), log.Ack{})
	}
	ids, errs := rec.wait(t, n)
	for i := range ids {
		if ids[i] != uint64(i+1) || errs[i] != nil {
			t.Fatalf("ack %d is (%d, %v), want (%d, nil)", i, ids[i], errs[i], i+1)
		}
	}
}

func testEmptyAppend(t *testing.T, in Instance) {
	rec := newRecorder()
	if off := mustAppend(t, in.Log, events, nil, log.Ack{To: rec, ID: 1}); off != 0 {
		t.Errorf("empty append returned %d, want 0", off)
	}
	rec.wait(t, 1)
	mustAppend(t, in.Log, events, Records(0, 3), log.Ack{To: rec, ID: 2})
	if off := mustAppend(t, in.Log, events, nil, log.Ack{To: rec, ID: 3}); off != 3 {
		t.Errorf("empty append returned %d, want 3", off)
	}
	if ids, _ := rec.wait(t, 3); !slices.Equal(ids, []uint64{1, 2, 3}) {
		t.Errorf("acks %v, want 1 2 3", ids)
	}
	if d := in.Log.Durable(events); d != 3 {
		t.Errorf("durable is %d after the barrier, want 3", d)
	}
}

func testWaitDurable(t *testing.T, in Instance) {
	ctx := bounded(t)
	if err := in.Log.WaitDurable(ctx, events, 0); err != nil {
		t.Errorf("wait for nothing: %v", err)
	}
	var wg sync.WaitGroup
	for end := range log.Offset(20) {
		wg.Go(func() {
			if err := in.Log.WaitDurable(ctx, events, end); err != nil {
				t.Errorf("wait for %d: %v", end, err)
			}
			if d := in.Log.Durable(events); d < end {
				t.Errorf("durable is %d after a wait for %d", d, end)
			}
		})
	}
	for i := range 20 {
		mustAppend(t, in.Log, events, Records(i, 1), log.Ack{})
	}
	wg.Wait()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	wantErr(t, "wait with a cancelled context", in.Log.WaitDurable(ended, events, 21), context.Canceled)
}

func testConcurrent(t *testing.T, in Instance) {
	const writers, each = 8, 300
	parts := []log.Partition{events, events1, notices}
	rec := newRecorder()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r := Record(i)
				r.Key = fmt.Appendf(nil, "%d", w)
				r.Seq = uint64(i)
				if _, err := in.Log.Append(parts[w%len(parts)], []log.Record{r, r}, log.Ack{To: rec, ID: uint64(w*each + i)}); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	ids, _ := rec.wait(t, writers*each)
	slices.Sort(ids)
	for i, id := range ids {
		if id != uint64(i) {
			t.Fatalf("ack %d is missing or doubled", i)
		}
	}
	for _, p := range parts {
		checkInterleaved(t, in.Log, p)
	}
}

// checkInterleaved checks that the pairs of each writer are adjacent and in order.
func checkInterleaved(t *testing.T, l log.Log, p log.Partition) {
	t.Helper()
	r := mustReader(t, l, p, 0)
	_, next := l.Range(p)
	seen := map[string]uint64{}
	var half string
	for at := log.Offset(0); at < next; {
		off, recs, err := r.Read(bounded(t), 33)
		if err != nil || off != at {
			t.Fatalf("read at %d: offset %d, error %v", at, off, err)
		}
		for i := range recs {
			k := string(recs[i].Key)
			switch {
			case half == "" && recs[i].Seq == seen[k]:
				half = k
			case half == k && recs[i].Seq == seen[k]:
				half = ""
				seen[k]++
			default:
				t.Fatalf("offset %d: writer %s, number %d, want %d; open pair of %q", off+log.Offset(i), k, recs[i].Seq, seen[k], half)
			}
		}
		at += log.Offset(len(recs))
	}
}

func testReceived(t *testing.T, in Instance) {
	before := in.Log.Received()
	mustAppend(t, in.Log, events, []log.Record{{Kind: log.Event}, {Kind: log.Tick}, {Kind: log.Event}}, log.Ack{})
	mustAppend(t, in.Log, notices, []log.Record{{Kind: log.Handover}, {Kind: log.Event}}, log.Ack{})
	if got := in.Log.Received() - before; got != 3 {
		t.Errorf("received grew by %d, want 3", got)
	}
}

func testTrim(t *testing.T, in Instance) {
	ctx := bounded(t)
	big := make([]byte, 64<<10)
	slow := mustReader(t, in.Log, events, 0)
	var next log.Offset
	for i := 0; ; i++ {
		if i == 10_000 {
			t.Fatal("nothing was removed although everything may be")
		}
		for _, p := range []log.Partition{events, notices} {
			next = mustAppend(t, in.Log, p, []log.Record{{Kind: log.Event, Seq: uint64(i), Payload: big}}, log.Ack{}) + 1
			if err := in.Log.WaitDurable(ctx, p, next); err != nil {
				t.Fatal(err)
			}
		}
		// One record of events must stay, and may keep others.
		in.Log.Trim(events, next-1)
		in.Log.Trim(notices, next)
		if first, _ := in.Log.Range(events); first > 0 {
			break
		}
	}
	first, end := in.Log.Range(events)
	if end != next || first >= next {
		t.Fatalf("range is %d to %d, want an end of %d and that record kept", first, end, next)
	}
	_, err := in.Log.Read(events, first-1)
	wantErr(t, "read below the first kept", err, log.ErrTrimmed)
	readFirst(t, in.Log, events)
	// A reader from before either still has its records (a log may keep them for readers) or says why not.
	for at := log.Offset(0); ; at++ {
		off, recs, err := slow.Poll(1)
		if errors.Is(err, log.ErrTrimmed) || len(recs) == 0 && err == nil {
			break
		}
		if err != nil || off != at || recs[0].Seq != uint64(at) {
			t.Fatalf("old reader at %d: offset %d, error %v", at, off, err)
		}
	}
}

// readFirst reads the first kept record of a log that may still be removing some.
func readFirst(t *testing.T, l log.Log, p log.Partition) {
	t.Helper()
	for {
		first, _ := l.Range(p)
		off, seq, err := readOne(bounded(t), l, p, first)
		if now, _ := l.Range(p); errors.Is(err, log.ErrTrimmed) && now > first {
			continue
		}
		if err != nil || off != first || seq != uint64(first) {
			t.Errorf("read of the first kept, %d: offset %d, error %v", first, off, err)
		}
		return
	}
}

func readOne(ctx context.Context, l log.Log, p log.Partition, from log.Offset) (log.Offset, uint64, error) {
	r, err := l.Read(p, from)
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	off, recs, err := r.Read(ctx, 1)
	if err != nil {
		return off, 0, err
	}
	return off, recs[0].Seq, nil
}

func testNoPartition(t *testing.T, in Instance) {
	for _, p := range []log.Partition{{}, {Stream: 9}, {Stream: log.Events, Shard: uint16(in.Log.Shards(log.Events))}} {
		if _, err := in.Log.Append(p, Records(0, 1), log.Ack{}); err == nil {
			t.Errorf("append to %v: no error", p)
		}
		if _, err := in.Log.Read(p, 0); err == nil {
			t.Errorf("read of %v: no error", p)
		}
	}
}

func testClose(t *testing.T, in Instance) {
	rec := newRecorder()
	r := mustReader(t, in.Log, notices, 0)
	ended := make(chan error, 1)
	go func() {
		_, _, err := r.Read(bounded(t), 1)
		ended <- err
	}()
	for i := range 100 {
		mustAppend(t, in.Log, events, Records(i, 1), log.Ack{To: rec, ID: uint64(i)})
	}
	if err := in.Log.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if _, errs := rec.wait(t, 100); slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		t.Errorf("acks %v, want no error: close syncs", errs)
	}
	if d := in.Log.Durable(events); d != 100 {
		t.Errorf("durable is %d, want 100", d)
	}
	wantErr(t, "waiting read", <-ended, log.ErrClosed)
	_, _, err := r.Poll(1)
	wantErr(t, "poll", err, log.ErrClosed)
	_, err = in.Log.Append(events, Records(0, 1), log.Ack{To: rec, ID: 1})
	wantErr(t, "append", err, log.ErrClosed)
	_, err = in.Log.Read(events, 0)
	wantErr(t, "read", err, log.ErrClosed)
	wantErr(t, "wait", in.Log.WaitDurable(bounded(t), events, 101), log.ErrClosed)
	if err := in.Log.WaitDurable(bounded(t), events, 100); err != nil {
		t.Errorf("wait for what is durable: %v", err)
	}
	rec.wait(t, 100)
	select {
	case <-in.Log.Failed():
		t.Error("a closed log says it failed")
	default:
	}
}

func testReopen(t *testing.T, in Instance) {
	if in.Reopen == nil {
		t.Skip("this log cannot be reopened")
	}
	l := in.Log
	id, received := l.ID(), uint64(0)
	for round := range 5 {
		mustAppend(t, l, events, Records(round*100, 100), log.Ack{})
		mustAppend(t, l, notices, Records(round*100, 100), log.Ack{})
		received = l.Received()
		l = in.Reopen(t)
		if l.ID() != id {
			t.Fatalf("id is %x, was %x", l.ID(), id)
		}
		if l.Received() != received {
			t.Fatalf("received is %d, was %d", l.Received(), received)
		}
		end := log.Offset(100 * (round + 1))
		if first, next := l.Range(events); first != 0 || next != end || l.Durable(events) != end {
			t.Fatalf("range is %d to %d, durable %d, want 0 to %d", first, next, l.Durable(events), end)
		}
		expect(t, mustReader(t, l, events, 0), 0, 1000, Records(0, int(end))...)
		expect(t, mustReader(t, l, notices, end-50), end-50, 1000, Records(int(end)-50, 50)...)
	}
}

func testFailure(t *testing.T, in Instance) {
	if in.Fail == nil {
		t.Skip("this log cannot be made to fail")
	}
	ctx := bounded(t)
	rec := newRecorder()
	mustAppend(t, in.Log, events, Records(0, 1), log.Ack{To: rec, ID: 0})
	rec.wait(t, 1)
	r := mustReader(t, in.Log, notices, 0)
	ended := make(chan error, 1)
	go func() {
		_, _, err := r.Read(ctx, 1)
		ended <- err
	}()
	in.Fail()
	appended := 1
	for ; ; appended++ {
		if _, err := in.Log.Append(events, Records(appended, 1), log.Ack{To: rec, ID: uint64(appended)}); err != nil {
			break
		}
	}
	_, errs := rec.wait(t, appended)
	if errs[0] != nil || slices.Contains(errs[1:], nil) {
		t.Errorf("acks %v, want no error for the first and one for all others", errs)
	}
	<-in.Log.Failed()
	cause := in.Log.Err()
	if cause == nil {
		t.Fatal("failed without a cause")
	}
	_, err := in.Log.Append(events, Records(0, 1), log.Ack{})
	wantErr(t, "append", err, cause)
	_, err = in.Log.Read(events, 0)
	wantErr(t, "read", err, cause)
	wantErr(t, "waiting read", <-ended, cause)
	_, _, err = r.Poll(1)
	wantErr(t, "poll", err, cause)
	wantErr(t, "wait", in.Log.WaitDurable(ctx, events, log.Offset(appended)), cause)
	wantErr(t, "close", in.Log.Close(), cause)
	if d := in.Log.Durable(events); d != 1 {
		t.Errorf("durable is %d, want 1", d)
	}
}
