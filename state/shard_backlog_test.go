package state_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/statetest"
)

// endless is a log whose reader is never out of records: a backlog without end.
type endless struct {
	*statetest.Log
	next log.Offset
}

func (e *endless) Range(log.Partition) (first, next log.Offset) { return 0, math.MaxInt64 }
func (e *endless) Durable(log.Partition) log.Offset             { return math.MaxInt64 }
func (e *endless) Trim(log.Partition, log.Offset)               {}
func (e *endless) Append(log.Partition, []log.Record, log.Ack) (log.Offset, error) {
	return math.MaxInt64 - 1, nil
}
func (e *endless) WaitDurable(context.Context, log.Partition, log.Offset) error { return nil }

// Read is of the log; records of any number come from here.
func (e *endless) Read(log.Partition, log.Offset) (log.Reader, error) { return endlessReader{e}, nil }

func (e *endless) more(max int) (log.Offset, []log.Record) {
	off := e.next
	recs := make([]log.Record, max)
	for i := range recs {
		recs[i] = log.Record{Kind: log.Event, Key: []byte{'V', byte('0' + i%10)}, Arrival: int64(off) + int64(i), Payload: []byte("owner")}
	}
	e.next += log.Offset(max)
	return off, recs
}

type endlessReader struct{ log *endless }

func (r endlessReader) Read(_ context.Context, max int) (log.Offset, []log.Record, error) {
	off, recs := r.log.more(max)
	return off, recs, nil
}

func (r endlessReader) Poll(max int) (log.Offset, []log.Record, error) {
	off, recs := r.log.more(max)
	return off, recs, nil
}

func (endlessReader) Close() error { return nil }

// A shard that never catches up writes back all the same, or a kill during a long replay would begin it
// anew each time.
func TestBacklogIsWrittenBack(t *testing.T) {
	store, err := state.OpenStore(state.StoreOptions{Dir: "/store", FS: vfs.NewMem(), Cache: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	l := &endless{Log: statetest.NewLog(log.ID{1}, 1, 1)}
	s, err := state.NewShard(state.ShardOptions{
		Log: l, Store: store, Step: stepOf(log.Events), Stage: log.Events,
		Now: func() int64 { return math.MaxInt64 / 2 }, Interval: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for n := log.Offset(10_000); s.Flushed() < 20_000; n += 10_000 {
		if err := s.WaitApplied(ctx, n); err != nil {
			t.Fatalf("%d records applied, position on disk %d: %v", s.Applied(), s.Flushed(), err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
