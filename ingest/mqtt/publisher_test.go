package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink keeps payloads and is durable at once, or never once it is dead.
type sink struct {
	mu   sync.Mutex
	got  []int
	dead bool
	more sync.Cond
}

func newSink() *sink {
	s := &sink{}
	s.more.L = &s.mu
	return s
}

func (s *sink) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	s.mu.Lock()
	for _, r := range recs {
		n, err := strconv.Atoi(string(r.Payload))
		if err != nil {
			panic(err)
		}
		s.got = append(s.got, n)
	}
	dead := s.dead
	s.more.Broadcast()
	s.mu.Unlock()
	if !dead && ack != nil {
		ack.Acked(id, nil)
	}
	return nil
}

func (s *sink) set(dead bool) { s.mu.Lock(); s.dead = dead; s.mu.Unlock() }

func (s *sink) await(n int) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.got) < n {
		s.more.Wait()
	}
	return slices.Clone(s.got)
}

// serve runs a broker at an address until stop is called.
func serve(t *testing.T, addr string, s ingest.Sink) (b *broker.Broker, stop func()) {
	t.Helper()
	b, err := broker.New(broker.Options{Listen: addr, Sink: s, DrainTimeout: time.Millisecond, Logger: zerolog.Nop(),
		Topics: []broker.Topic{{Filter: "vehicles/+/telemetry", Codec: "text", Types: ingest.TypeSet(ingest.Telemetry)}},
		Codecs: map[string]broker.Codec{"text": {IsBatch: func([]byte) bool { return false }}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return b, stop
}

func run(t *testing.T, opts PublisherOptions) (p *Publisher, stop func()) {
	t.Helper()
	opts.Logger = zerolog.Nop()
	p, err := NewPublisher(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return p, stop
}

func TestPublishesInOrderAndCounts(t *testing.T) {
	s := newSink()
	b, _ := serve(t, "127.0.0.1:0", s)
	p, stop := run(t, PublisherOptions{URL: "tcp://" + b.Addr().String()})
	const n = 2000
	for i := range n {
		if err := p.Publish(t.Context(), "vehicles/V1/telemetry", []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, v := range s.await(n) {
		if v != i {
			t.Fatalf("message %d is %d", i, v)
		}
	}
	if st := p.Stats(); st != (PublisherStats{Published: n, Acked: n, Connects: 1}) {
		t.Fatalf("stats %+v", st)
	}
	stop()
	if err := p.Publish(t.Context(), "x", nil); !errors.Is(err, errEnded) {
		t.Fatalf("error %v after the end", err)
	}
}

// A broker that dies with messages in flight gets them again, in order, when it is back; what it has not
// acknowledged is not counted as acknowledged.
func TestRepeatsAfterALostConnection(t *testing.T) {
	s := newSink()
	s.set(true)
	b, kill := serve(t, "127.0.0.1:0", s)
	addr := b.Addr().String()
	p, _ := run(t, PublisherOptions{URL: "tcp://" + addr, Window: 10, RetryMax: 20 * time.Millisecond})
	for i := range 10 {
		if err := p.Publish(t.Context(), "vehicles/V1/telemetry", []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	s.await(10)
	kill()
	if got := p.Stats().Acked; got != 0 {
		t.Fatalf("%d counted as acknowledged", got)
	}
	s.set(false)
	serve(t, addr, s)
	if err := p.Publish(t.Context(), "vehicles/V1/telemetry", []byte("10")); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.await(21)[10:]; !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
		t.Fatalf("repeated %v", got)
	}
	if st := p.Stats(); st.Acked != 11 || st.Connects != 2 || st.Repeated != 10 {
		t.Fatalf("stats %+v", st)
	}
}

func TestFullWindowWaits(t *testing.T) {
	s := newSink()
	s.set(true)
	b, _ := serve(t, "127.0.0.1:0", s)
	p, _ := run(t, PublisherOptions{URL: "tcp://" + b.Addr().String(), Window: 1})
	if err := p.Publish(t.Context(), "vehicles/V1/telemetry", []byte("0")); err != nil {
		t.Fatal(err)
	}
	s.await(1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := p.Publish(ctx, "vehicles/V1/telemetry", []byte("1")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, expected to wait for room", err)
	}
}

func TestMosquitto(t *testing.T) {
	bin, err := exec.LookPath("mosquitto")
	if err != nil {
		t.Skip("mosquitto is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	cmd := exec.CommandContext(t.Context(), bin, "-p", fmt.Sprint(addr.Port))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	p, _ := run(t, PublisherOptions{URL: "tcp://" + addr.String(), RetryMax: 50 * time.Millisecond})
	for i := range 500 {
		if err := p.Publish(t.Context(), "vehicles/V1/telemetry", []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := p.Stats(); st.Acked != 500 {
		t.Fatalf("stats %+v", st)
	}
}

func TestPublisherOptionsAreChecked(t *testing.T) {
	for _, opts := range []PublisherOptions{{}, {URL: "127.0.0.1:1883"}, {URL: "tcp://h:1", Window: -1}, {URL: "tcp://h:1", Window: 70_000}} {
		if _, err := NewPublisher(opts); err == nil {
			t.Errorf("%+v was accepted", opts)
		}
	}
}
