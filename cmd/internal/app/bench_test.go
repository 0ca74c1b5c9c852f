package app

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/fleet"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// benchCars is the size of the fleet of the benchmarks, benchShards the number of shards of each stage.
const (
	benchCars   = 100_000
	benchShards = 2
)

// writeBackEvery lets a figure be taken apart: with an interval longer than the run it is without write-back.
var writeBackEvery = flag.Duration("write-back", 5*time.Second, "interval between write-backs in the benchmarks")

// benchActivation is the rule set of the benchmarks: 50 rules and a plan of 6 items.
func benchActivation(b *testing.B) rules.Activation {
	const file = "../../../rules/testdata/bench/rules.yaml"
	content, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return rules.Activation{
		Number: 1, Source: "/bench", Zone: "Europe/Berlin",
		Files:     []rules.File{{Name: "rules.yaml", Content: string(content)}},
		Endpoints: []rules.Endpoint{{Name: "owners", Owner: true}},
	}
}

// startCore runs a Core of the benchmark's rule set on an empty folder until the benchmark ends.
func startCore(b *testing.B, owners notify.Channel) *Core {
	c, err := OpenCore(CoreOptions{
		Data: b.TempDir(), Shards: journal.Shards{Events: benchShards, Notices: benchShards}, Keep: time.Minute, MaxBytes: 1 << 30,
		WriteBack: *writeBackEvery, Logger: zerolog.Nop(), Dispatcher: notify.DispatcherOptions{Channels: map[string]notify.Channel{"owners": owners}},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- c.Run(ctx, Life{
			Begin: func(ctx context.Context) error {
				_, err := c.Activate(ctx, benchActivation(b))
				return err
			},
			Ready: func() { close(ready) },
		})
	}()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		b.Fatal(err)
	}
	return c
}

// load sends the telemetry of a fleet into a Core, as much as it takes.
type load struct {
	c       *Core
	filler  *fleet.Filler
	recs    []ingest.Record
	payload [loadBatch][fleet.FillerSize]byte
	made    int // events
	sent    int // of them handed over
	acked   acked
}

const (
	// loadBatch is how many records are handed over at once: about what one read of an MQTT connection or
	// one HTTP request holds.
	loadBatch = 64
	// loadAhead is how far the log may be ahead of the shards.
	loadAhead = 1 << 16
)

// acked counts acknowledged batches.
type acked struct{ n, failed atomic.Int64 }

func (a *acked) Acked(_ uint64, err error) {
	if err != nil {
		a.failed.Add(1)
	}
	a.n.Add(1)
}

func newLoad(c *Core) *load {
	return &load{c: c, filler: fleet.NewFiller(benchCars, 1, time.Now(), time.Millisecond)}
}

// enrol makes the fleet known: a profile and a first odometer for each car.
func (l *load) enrol(b *testing.B) {
	bought := time.Now().AddDate(0, -2, 0).Format(time.DateOnly) // nothing is due yet
	for i := range benchCars {
		vin := l.filler.VIN(i)
		profile := fmt.Appendf(nil, `{"type":"vehicle","vin":%q,"profile":{"owner":"o%d","powertrain":"ice","in_service":%q,"timezone":"Asia/Shanghai"}}`, vin, i, bought)
		_, first := l.filler.Of(i, l.c.clock.Now())
		for _, payload := range [][]byte{profile, first} {
			l.recs = append(l.recs, benchRecord(vin, append([]byte(nil), payload...)))
		}
		if len(l.recs) >= loadBatch {
			l.flush(b)
		}
	}
	l.flush(b)
	l.settle(b)
	l.sent = 0
}

func benchRecord(vin, payload []byte) ingest.Record {
	return ingest.Record{
		Key: vin, Types: ingest.TypeSet(ingest.Telemetry, ingest.Vehicle), Source: "mqtt", Topic: "vehicles/LMPAA00100R000000/telemetry",
		Codec: jsoncodec.Name, Payload: payload,
	}
}

// next sends one event of a random car, a full batch at a time.
func (l *load) next(b *testing.B) {
	at := l.c.clock.Now() - 1
	if len(l.recs) > 0 {
		at = l.recs[0].Arrival
	}
	vin, payload := l.filler.NextAt(at)
	buf := &l.payload[len(l.recs)]
	copy(buf[:], payload)
	rec := benchRecord(vin, buf[:])
	rec.Arrival = at
	if l.made%alarmEvery == 0 {
		rec = l.alarm(l.made/alarmEvery%benchCars, at)
	}
	l.made++
	l.recs = append(l.recs, rec)
	if len(l.recs) == loadBatch {
		l.flush(b)
	}
}

// alarmEvery is how many events there are to one that makes a car's first alarm: an alert, a message to
// its owner and a lead. 100,000 cars that do so once in ten thousand events have much trouble.
const alarmEvery = 10_000

// alarm is a record that fires a critical rule of a car.
func (l *load) alarm(car int, at int64) ingest.Record {
	vin := l.filler.VIN(car)
	rec := benchRecord(vin, fmt.Appendf(nil, `{"type":"telemetry","vin":%q,"time":%d,"signals":{"alarm_level":3}}`, vin, at))
	rec.Arrival = at
	return rec
}

func (l *load) flush(b *testing.B) {
	if err := l.c.Sink().Take(l.recs, &l.acked, 0); err != nil {
		b.Fatal(err)
	}
	before := l.sent
	l.sent += len(l.recs)
	l.recs = l.recs[:0]
	if l.sent/4096 != before/4096 {
		l.follow(b)
	}
}

// follow waits until the shards are not too far behind the log.
func (l *load) follow(b *testing.B) {
	for _, s := range l.c.shards {
		if s.part.Stream != log.Events {
			continue
		}
		if _, next := l.c.journal.Range(s.part); next > loadAhead/benchShards {
			if err := s.WaitApplied(context.Background(), next-loadAhead/benchShards); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// settle waits until all that was sent has been applied and acknowledged, and all messages delivered.
func (l *load) settle(b *testing.B) {
	l.flush(b)
	if err := l.c.WaitApplied(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, s := range l.c.shards {
		_, next := l.c.journal.Range(s.part)
		if err := l.c.journal.WaitDurable(b.Context(), s.part, next); err != nil {
			b.Fatal(err)
		}
	}
	if n := l.acked.failed.Load(); n > 0 {
		b.Fatalf("%d batches failed", n)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for quiet := 0; quiet < 3; quiet++ { // rows reach the dispatcher a moment after they are durable
		<-tick.C
		for _, s := range l.c.disp.Status() {
			if s.Pending+s.InFlight > 0 {
				quiet = -1
			}
		}
	}
}

// sent is a channel that counts.
type sentCounter struct{ n atomic.Int64 }

func (s *sentCounter) Send(context.Context, *notify.Entry) notify.Answer {
	s.n.Add(1)
	return notify.Answer{Outcome: notify.Accepted}
}

// BenchmarkPath is the whole path: bytes at the door, journal with sync, strict decode, 50 rules and a
// plan of 6 items on 100,000 cars, hand-over, messages, dispatch, write-back, flush and compaction. An
// operation is an event; cpu-us/event is of the whole process, which makes the events too (`load`).
func BenchmarkPath(b *testing.B) {
	var owners sentCounter
	c := startCore(b, &owners)
	l := newLoad(c)
	l.enrol(b)
	before := c.outcomes(b)
	owners.n.Store(0)
	runtime.GC()
	b.ReportAllocs()
	start, cpu := time.Now(), cpuTime(b)
	for b.Loop() {
		l.next(b)
	}
	l.settle(b)
	n, took := float64(l.sent), time.Since(start)
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1000/n, "cpu-us/event")
	b.ReportMetric(n/took.Seconds(), "events/s")
	b.ReportMetric(float64(owners.n.Load()), "messages")
	s := c.journal.Stats()
	b.ReportMetric(float64(s.Syncs.Quantile(0.99).Microseconds()), "p99-sync-us")
	after := c.outcomes(b)
	// The same car twice within a millisecond and with the same seq is a duplicate.
	if got := after[state.Applied] + after[state.Duplicate] - before[state.Applied] - before[state.Duplicate]; got != uint64(n) {
		b.Errorf("%d of %.0f events applied: %v", got, n, after)
	}
}

// outcomes sums the counters of E5.
func (c *Core) outcomes(b *testing.B) (sum [4]uint64) {
	for _, s := range c.shards {
		err := s.Query(b.Context(), func(v state.View) {
			for i, n := range v.Outcomes() {
				sum[i] += n
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return sum
}

// BenchmarkPathFloor is the cheapest program for the same work: the same events through the same journal
// with its syncs, read back, decoded as strictly, and a document of 600 bytes copied out of a table and
// back. It has no rules, no effects and no store.
func BenchmarkPathFloor(b *testing.B) {
	j, err := journal.Open(journal.Options{Dir: b.TempDir(), Shards: journal.Shards{Events: benchShards, Notices: benchShards}, Keep: time.Minute, MaxBytes: 1 << 30, Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	var wg sync.WaitGroup
	applied := make([]progress, benchShards)
	ctx, stop := context.WithCancel(context.Background())
	for i := range benchShards {
		applied[i].moved = make(chan struct{}, 1)
		wg.Go(func() { followFloor(ctx, b, j, uint16(i), &applied[i]) })
	}
	filler := fleet.NewFiller(benchCars, 1, time.Now(), time.Millisecond)
	batches := make([][]log.Record, benchShards)
	buffers := make([][loadBatch][fleet.FillerSize]byte, benchShards)
	next := make([]log.Offset, benchShards)
	b.ReportAllocs()
	start, cpu := time.Now(), cpuTime(b)
	for b.Loop() {
		vin, payload := filler.Next()
		p := int(log.ShardOf(vin, benchShards))
		buf := &buffers[p][len(batches[p])]
		copy(buf[:], payload)
		batches[p] = append(batches[p], log.Record{Kind: log.Event, Types: 1, Arrival: start.UnixMilli(), Key: vin, Payload: buf[:]})
		if len(batches[p]) == loadBatch {
			if _, err := j.Append(log.Partition{Stream: log.Events, Shard: uint16(p)}, batches[p], log.Ack{}); err != nil {
				b.Fatal(err)
			}
			batches[p] = batches[p][:0]
			next[p] += loadBatch
			applied[p].wait(int64(next[p]) - loadAhead/benchShards)
		}
	}
	for p := range next {
		applied[p].wait(int64(next[p]))
		if err := j.WaitDurable(b.Context(), log.Partition{Stream: log.Events, Shard: uint16(p)}, next[p]); err != nil {
			b.Fatal(err)
		}
	}
	n := float64(b.N)
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1000/n, "cpu-us/event")
	b.ReportMetric(n/time.Since(start).Seconds(), "events/s")
	s := j.Stats()
	b.ReportMetric(float64(s.Syncs.Quantile(0.99).Microseconds()), "p99-sync-us")
	stop()
	wg.Wait()
}

// followFloor is a shard of the floor.
func followFloor(ctx context.Context, b *testing.B, j *journal.Journal, shard uint16, to *progress) {
	r, err := j.Read(log.Partition{Stream: log.Events, Shard: shard}, 0)
	if err != nil {
		b.Error(err)
		return
	}
	defer r.Close()
	type document [600]byte
	table := map[string]int32{}
	var documents []document
	decoder := jsoncodec.NewDecoder(ingest.BuiltinCatalogue())
	var ev ingest.Event
	for {
		off, recs, err := r.Read(ctx, 1024)
		if err != nil {
			return // told to stop
		}
		for i := range recs {
			if err := decoder.Decode(recs[i].Payload, &ev); err != nil {
				b.Error(err)
				return
			}
			at, ok := table[string(recs[i].Key)]
			if !ok {
				at = int32(len(documents))
				table[string(recs[i].Key)] = at
				documents = append(documents, document{})
			}
			doc := documents[at]
			doc[i%len(doc)] = byte(len(ev.Samples))
			documents[at] = doc
		}
		to.set(int64(off) + int64(len(recs)))
	}
}

// progress is a count that one goroutine moves and one waits for.
type progress struct {
	at    atomic.Int64
	moved chan struct{}
}

func (p *progress) set(at int64) {
	p.at.Store(at)
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

func (p *progress) wait(at int64) {
	for p.at.Load() < at {
		<-p.moved
	}
}

// BenchmarkPathLoad is what making the events alone costs.
func BenchmarkPathLoad(b *testing.B) {
	filler := fleet.NewFiller(benchCars, 1, time.Now(), time.Millisecond)
	var buf [fleet.FillerSize]byte
	cpu := cpuTime(b)
	for b.Loop() {
		_, payload := filler.Next()
		copy(buf[:], payload)
	}
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1000/float64(b.N), "cpu-us/event")
}

// cpuTime is what the process has used: the figure that holds on a shared machine.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
