package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// fakeCluster starts kfake: every test that uses it ran against a fake, not against Apache Kafka.
func fakeCluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	t.Log("broker: kfake, in this process")
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func producer(t testing.TB, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.AllISRAcks()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// car is telemetry number n of a car.
func car(vin string, n int) string {
	return fmt.Sprintf(`{"type":"telemetry","vin":%q,"seq":%d,"signals":{"odometer":%d}}`, vin, n, n)
}

// produce writes messages n from to below of car V<partition> as one batch, where the client makes one of
// what it is given together.
func produce(t testing.TB, cl *kgo.Client, topic string, partition int32, from, to int) {
	t.Helper()
	var recs []*kgo.Record
	for n := from; n < to; n++ {
		vin := fmt.Sprintf("V%d", partition)
		recs = append(recs, &kgo.Record{Topic: topic, Partition: partition, Key: []byte(vin), Value: []byte(car(vin, n))})
	}
	send(t, cl, recs...)
}

func send(t testing.TB, cl *kgo.Client, recs ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := cl.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// memorySink is a log of one partition in memory that answers when it is told to, and applies the rule of
// the state: a Seq at or below the highest of its origin is a redelivery.
type memorySink struct {
	mu         sync.Mutex
	recs       []ingest.Record
	fresh      []ingest.Record
	duplicates int
	highest    map[string]uint64
	waiting    []func()
	holding    bool
	blocked    chan struct{} // Take waits for it to be closed
	failed     error
	inside     map[string]bool // origins that are being taken
	overlap    bool            // one of them by two at a time
}

func newSink() *memorySink {
	return &memorySink{highest: map[string]uint64{}, inside: map[string]bool{}}
}

func (s *memorySink) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	origin := recs[0].Origin
	s.overlap = s.overlap || s.inside[origin]
	s.inside[origin] = true
	defer delete(s.inside, origin)
	if blocked := s.blocked; blocked != nil {
		s.mu.Unlock()
		<-blocked
		s.mu.Lock()
	}
	if s.failed != nil {
		return s.failed
	}
	for _, r := range recs {
		r.Key, r.Payload = bytes.Clone(r.Key), bytes.Clone(r.Payload)
		s.recs = append(s.recs, r)
		if h, ok := s.highest[r.Origin]; ok && r.Seq <= h {
			s.duplicates++
			continue
		}
		s.highest[r.Origin] = r.Seq
		s.fresh = append(s.fresh, r)
	}
	answer := func() { ack.Acked(id, nil) }
	if s.holding {
		s.waiting = append(s.waiting, answer)
	} else {
		go answer()
	}
	return nil
}

// hold makes answers wait; release gives those that wait, last first.
func (s *memorySink) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

func (s *memorySink) release() {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting, s.holding = nil, false
	s.mu.Unlock()
	slices.Reverse(waiting)
	for _, w := range waiting {
		w()
	}
}

func (s *memorySink) block() (unblock func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := make(chan struct{})
	s.blocked = ch
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(ch)
		s.blocked = nil
	}
}

func (s *memorySink) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.fresh)
}

func (s *memorySink) taken() []ingest.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.fresh)
}

// seqs are the numbers of a car's messages, as they came, redeliveries left out.
func (s *memorySink) seqs(vin string) []int {
	var out []int
	for _, r := range s.taken() {
		if string(r.Key) != vin {
			continue
		}
		var n int
		_, after, _ := strings.Cut(string(r.Payload), `"seq":`)
		if _, err := fmt.Sscanf(after, "%d", &n); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// wantAll checks that a car's messages came all, once and in order: 0 lost, 0 applied twice.
func (s *memorySink) wantAll(t testing.TB, vin string, from, to int) {
	t.Helper()
	got := s.seqs(vin)
	for i, n := range got {
		if n != from+i {
			t.Fatalf("%s: message %d of %d is number %d, expected %d: lost, twice or out of order", vin, i, len(got), n, from+i)
		}
	}
	if len(got) != to-from {
		t.Fatalf("%s: %d messages, expected %d", vin, len(got), to-from)
	}
}

// running is a Source that runs.
type running struct {
	*Source
	cancel context.CancelFunc
	done   chan error
	log    *lockedBuffer
}

func options(c *kfake.Cluster, sink ingest.Sink, topics ...string) Options {
	o := Options{
		Cluster: Cluster{Brokers: c.ListenAddrs()}, Group: "g", Sink: sink, SessionTimeout: 6 * time.Second, DrainTimeout: 2 * time.Second,
		CommitInterval: 20 * time.Millisecond, RetryStopped: 200 * time.Millisecond,
	}
	for _, name := range topics {
		o.Topics = append(o.Topics, Topic{Name: name, Codec: json.Name, Types: ingest.TypeSet(ingest.Telemetry)})
	}
	return o
}

func run(t testing.TB, o Options) *running {
	t.Helper()
	r := &running{done: make(chan error, 1), log: &lockedBuffer{}}
	o.Logger = zerolog.New(r.log)
	src, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.Source, r.cancel = src, cancel
	go func() { r.done <- src.Run(ctx) }()
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop ends the run and waits for it; a second call does nothing.
func (r *running) stop(t testing.TB) {
	t.Helper()
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(patience):
		t.Error("the source does not stop")
	}
	if t.Failed() {
		t.Logf("log of the source:\n%s", r.log.String())
	}
}

// durable is the offset before which a partition is durable, -1 when it is not ours.
func (r *running) durable(topic string, partition int32) int64 {
	for _, p := range r.Stats().Partitions {
		if p.Topic == topic && p.Partition == partition {
			return p.Durable
		}
	}
	return -1
}

// reason is why a partition is stopped.
func (r *running) reason(topic string, partition int32) string {
	for _, p := range r.Stats().Partitions {
		if p.Topic == topic && p.Partition == partition {
			return p.Stopped
		}
	}
	return ""
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var (
	_       io.Writer = (*lockedBuffer)(nil)
	errSink           = errors.New("the engine is ending")
)
