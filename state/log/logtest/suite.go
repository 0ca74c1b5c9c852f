// Package logtest holds implementations of log.Log to their contract: a way to make logs goes in, test
// results come out.
package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/milepost-io/milepost/state/log"
)

// Instance is an empty log under test with at least 2 partitions of each stream.
type Instance struct {
	Log log.Log
	// Reopen closes the log and opens it again; nil where a log cannot be.
	Reopen func(t *testing.T) log.Log
	// Fail makes the next sync fail; nil where it cannot be made to.
	Fail func()
}

// Options describe what the suite cannot find out.
type Options struct {
	// New makes an instance, closed at the test's end by whoever made it. Trimmed records must go
	// within some MiB of appends: the suite appends until they do.
	New func(t *testing.T) Instance
}

// Run runs the suite.
func Run(t *testing.T, o Options) {
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, in Instance)
	}{
		{"append gives dense offsets and read gives the records back", testRoundTrip},
		{"append copies", testAppendCopies},
		{"a batch ends at max and goes on there", testMax},
		{"read from the middle", testReadFrom},
		{"read before, between and past the ends", testReadRange},
		{"partitions are independent", testPartitions},
		{"a reader waits for records", testReadWaits},
		{"a waiting read ends with its context", testReadContext},
		{"poll does not wait", testPoll},
		{"acks come once, in order, when durable", testAcks},
		{"an empty append is a barrier", testEmptyAppend},
		{"wait for durability", testWaitDurable},
		{"concurrent appends", testConcurrent},
		{"received counts events", testReceived},
		{"trim", testTrim},
		{"no such partition", testNoPartition},
		{"close", testClose},
		{"reopen", testReopen},
		{"failure", testFailure},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, o.New(t)) })
	}
}

var (
	events  = log.Partition{Stream: log.Events}
	events1 = log.Partition{Stream: log.Events, Shard: 1}
	notices = log.Partition{Stream: log.Notices}
)

// limit bounds what would otherwise hang; no test waits for it to pass.
const limit = 30 * time.Second

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// Record makes the n-th record of a test: every field varies, none is always set.
func Record(n int) log.Record {
	r := log.Record{
		Kind:    log.Kind(1 + n%int(log.SourcePosition)),
		Types:   uint32(n * 2654435761),
		Arrival: 1_700_000_000_000 + int64(n*37%1000) - int64(n%3)*100_000,
		Key:     fmt.Appendf(nil, "key-%d", n),
		Payload: bytes.Repeat([]byte{byte(n)}, n%300),
	}
	if n%2 == 0 {
		r.Source, r.Topic, r.Codec = []byte("mqtt"), fmt.Appendf(nil, "vehicles/%d/telemetry", n), []byte("json")
	}
	if n%3 == 0 {
		r.Origin, r.Seq = []byte("origin"), uint64(n)
	}
	r.Rising = n%6 == 0
	if n%5 == 0 {
		r.Oversize, r.Seq = true, uint64(n)<<40
	}
	return r
}

// Records makes n records from the from-th on.
func Records(from, n int) []log.Record {
	recs := make([]log.Record, n)
	for i := range recs {
		recs[i] = Record(from + i)
	}
	return recs
}

// Diff says how two records differ; empty when they do not. Nil and empty bytes are the same.
func Diff(got, want *log.Record) string {
	switch {
	case got.Kind != want.Kind:
		return fmt.Sprintf("kind %d, want %d", got.Kind, want.Kind)
	case got.Oversize != want.Oversize:
		return fmt.Sprintf("oversize %v, want %v", got.Oversize, want.Oversize)
	case got.Rising != want.Rising:
		return fmt.Sprintf("rising %v, want %v", got.Rising, want.Rising)
	case got.Types != want.Types:
		return fmt.Sprintf("types %x, want %x", got.Types, want.Types)
	case got.Arrival != want.Arrival:
		return fmt.Sprintf("arrival %d, want %d", got.Arrival, want.Arrival)
	case got.Seq != want.Seq:
		return fmt.Sprintf("seq %d, want %d", got.Seq, want.Seq)
	}
	for _, f := range []struct {
		name      string
		got, want []byte
	}{
		{"key", got.Key, want.Key}, {"source", got.Source, want.Source}, {"topic", got.Topic, want.Topic},
		{"origin", got.Origin, want.Origin}, {"codec", got.Codec, want.Codec}, {"payload", got.Payload, want.Payload},
	} {
		if !bytes.Equal(f.got, f.want) {
			return fmt.Sprintf("%s %q, want %q", f.name, f.got, f.want)
		}
	}
	return ""
}

func mustAppend(t *testing.T, l log.Log, p log.Partition, recs []log.Record, ack log.Ack) log.Offset {
	t.Helper()
	off, err := l.Append(p, recs, ack)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return off
}

func mustReader(t *testing.T, l log.Log, p log.Partition, from log.Offset) log.Reader {
	t.Helper()
	r, err := l.Read(p, from)
	if err != nil {
		t.Fatalf("read from %d: %v", from, err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// expect reads from r the records of Record(n) for n in want, at offsets from off on, in batches of at most batch.
func expect(t *testing.T, r log.Reader, off log.Offset, batch int, want ...log.Record) {
	t.Helper()
	ctx := bounded(t)
	for len(want) > 0 {
		first, recs, err := r.Read(ctx, batch)
		if err != nil {
			t.Fatalf("read at %d: %v", off, err)
		}
		if first != off {
			t.Fatalf("batch starts at %d, want %d", first, off)
		}
		if len(recs) == 0 || len(recs) > batch || len(recs) > len(want) {
			t.Fatalf("batch of %d records at %d, want 1 to %d of %d", len(recs), off, batch, len(want))
		}
		for i := range recs {
			if d := Diff(&recs[i], &want[i]); d != "" {
				t.Fatalf("record %d: %s", off+log.Offset(i), d)
			}
		}
		off += log.Offset(len(recs))
		want = want[len(recs):]
	}
}

// recorder is an Acker that notes what it is told.
type recorder struct {
	mu   sync.Mutex
	cond sync.Cond
	ids  []uint64
	errs []error
	// check is called in Acked.
	check func(id uint64, err error)
}

func newRecorder() *recorder {
	r := &recorder{}
	r.cond.L = &r.mu
	return r
}

func (r *recorder) Acked(id uint64, err error) {
	if r.check != nil {
		r.check(id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids, r.errs = append(r.ids, id), append(r.errs, err)
	r.cond.Broadcast()
}

// wait returns the ids and errors when there are n.
func (r *recorder) wait(t *testing.T, n int) ([]uint64, []error) {
	t.Helper()
	late := false
	stop := time.AfterFunc(limit, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		late = true
		r.cond.Broadcast()
	})
	defer stop.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.ids) < n && !late {
		r.cond.Wait()
	}
	if len(r.ids) != n {
		t.Fatalf("%d acks, want %d", len(r.ids), n)
	}
	return append([]uint64(nil), r.ids...), append([]error(nil), r.errs...)
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error is %v, want %v", what, err, want)
	}
}
