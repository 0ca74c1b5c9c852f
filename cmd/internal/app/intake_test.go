package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/cmd/internal/replay"
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/httpapi"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
	"github.com/milepost-io/milepost/state/statetest"
)

// All records of one call for a partition are one append, which a crash keeps or loses as a whole: of a
// request of which half was kept, the other half would be lost for a repetition (S5, E4).
func TestTakeIsWholePerPartition(t *testing.T) {
	l := statetest.NewLog(log.ID{1}, 3, 2)
	ticks := int64(0)
	in := newIntake(l, ScaledClock(func() time.Time { ticks++; return time.UnixMilli(ticks) }, 1000, 1))
	close(in.open)
	appends := map[log.Partition]int{}
	l.Fault(func(p log.Partition, _ []log.Record) error { appends[p]++; return nil })
	var recs []ingest.Record
	for i := range 60 {
		recs = append(recs, ingest.Record{Key: fmt.Appendf(nil, "V%d", i/2), Party: i%3 == 0, Payload: fmt.Append(nil, i), Origin: "http:a:b", Seq: 4})
	}
	done := make(acks, 1)
	if err := in.Take(recs, done, 9); err != nil {
		t.Fatal(err)
	}
	if id := <-done; id != 9 {
		t.Errorf("acknowledged %d, expected 9", id)
	}
	n := 0
	for p, times := range appends {
		last := -1
		for _, rec := range l.Records(p) {
			var i int
			if _, err := fmt.Sscan(string(rec.Payload), &i); err != nil || i <= last {
				t.Errorf("%v: record %q after %d: %v", p, rec.Payload, last, err)
			}
			if last = i; rec.Arrival != l.Records(p)[0].Arrival {
				t.Errorf("%v: record %d has another arrival", p, i)
			}
			n++
		}
		if times != 1 {
			t.Errorf("%v: %d appends", p, times)
		}
	}
	if n != len(recs) || len(appends) != 5 {
		t.Errorf("%d of %d records, in %d of 5 partitions", n, len(recs), len(appends))
	}
}

// What tells a redelivery goes into the log as it came, and how far a source was taken stands on shard 0 of
// Events.
func TestIntakeOfATopic(t *testing.T) {
	l := statetest.NewLog(log.ID{1}, 2, 1)
	in := newIntake(l, WallClock(func() time.Time { return time.UnixMilli(5) }, 0))
	close(in.open)
	if err := in.Take([]ingest.Record{{Key: []byte("V1"), Origin: "kafka:t/0/x", Seq: 7 << 16, Rising: true}}, nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := in.appendSourcePosition("kafka:t/0/x", 8<<16, log.Ack{}); err != nil {
		t.Fatal(err)
	}
	rec := l.Records(log.Partition{Stream: log.Events, Shard: log.ShardOf([]byte("V1"), 2)})[0]
	if string(rec.Origin) != "kafka:t/0/x" || rec.Seq != 7<<16 || !rec.Rising {
		t.Errorf("record %+v", rec)
	}
	all := l.Records(log.Partition{Stream: log.Events})
	if last := all[len(all)-1]; last.Kind != log.SourcePosition || string(last.Origin) != "kafka:t/0/x" || last.Seq != 8<<16 || l.Received() != 1 {
		t.Errorf("position %+v, %d received", last, l.Received())
	}
}

type acks chan uint64

func (a acks) Acked(id uint64, _ error) { a <- id }

// runningCore is an engine's core with the HTTP source, on one file system.
type runningCore struct {
	*Core
	t    *testing.T
	http *httpapi.Handler
	stop context.CancelFunc
	done chan error
}

func runCore(t *testing.T, o CoreOptions) *runningCore {
	t.Helper()
	o.Shards, o.Keep, o.MaxBytes, o.Cache, o.Logger = journal.Shards{Events: 2, Notices: 2}, time.Hour, 1<<30, 1<<20, zerolog.Nop()
	c, err := OpenCore(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &runningCore{Core: c, t: t, done: make(chan error, 1)}
	r.http, err = httpapi.New(httpapi.Options{Sink: refusing{c.intake}, Logger: zerolog.Nop(), NewDecoder: func() ingest.Decoder {
		return replay.Decoders(ingest.BuiltinCatalogue())["json"]
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	ready := make(chan struct{})
	go func() { r.done <- c.Run(ctx, Life{Ready: func() { close(ready) }}) }()
	select {
	case <-ready:
	case err := <-r.done:
		t.Fatal(err)
	}
	return r
}

func (r *runningCore) close() {
	r.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
	if err := r.Close(); err != nil {
		r.t.Error(err)
	}
}

// post sends a request and returns the outcomes of all events when it has been applied.
func (r *runningCore) post(key, body string) (sum [4]uint64) {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodPost, httpapi.Path, strings.NewReader(body))
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	r.http.ServeHTTP(w, req)
	if w.Code != http.StatusAccepted {
		r.t.Fatalf("%d %s", w.Code, w.Body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := r.WaitApplied(ctx)
	if err == nil {
		err = r.View(ctx, func(_ log.Partition, v state.View) error {
			for i, n := range v.Outcomes() {
				sum[i] += n
			}
			return nil
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return sum
}

// S5, from the request to the counters, over a clean stop and over a power cut.
func TestRequestSentTwice(t *testing.T) {
	fs := vfs.NewCrashableMem()
	const body = `[{"type":"telemetry","vin":"V1","signals":{"odometer":1}},{"type":"telemetry","vin":"V1","signals":{"odometer":1}},` +
		`{"type":"telemetry","vin":"V2","signals":{"odometer":2}},{"type":"party","id":"O1","role":"owner"}]`
	c := runCore(t, CoreOptions{Data: "/data", FS: fs, WriteBack: time.Millisecond})
	want := [4]uint64{4, 0, 0, 0}
	expect := func(what string, got [4]uint64) {
		t.Helper()
		if got != want {
			t.Errorf("%s: outcomes %v, expected %v", what, got, want)
		}
	}
	expect("first", c.post("k1", body))
	want[state.Duplicate] += 4
	expect("again", c.post("k1", body))
	want[state.Applied] += 4
	expect("another key", c.post("k2", body))
	want[state.Applied] += 4
	expect("no key", c.post("", body))

	c.close()
	c = runCore(t, CoreOptions{Data: "/data", FS: fs, WriteBack: time.Millisecond})
	want[state.Duplicate] += 4
	expect("after a stop", c.post("k1", body))

	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	c.close()
	c = runCore(t, CoreOptions{Data: "/data", FS: crashed, WriteBack: time.Millisecond})
	want[state.Duplicate] += 4
	expect("after a power cut", c.post("k2", body))
	if n := c.Received(); n != want[state.Applied]+want[state.Duplicate] {
		t.Errorf("%d received, %v counted (E5)", n, want)
	}
	c.close()
}
