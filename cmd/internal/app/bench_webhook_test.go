package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/notify/channel/webhook"
)

// BenchmarkWebhook is how long it takes from an event at the door until the request it causes reaches a
// webhook on this machine, while the whole path runs at half of what it takes at most. An operation is an
// alarm, one every 20 ms. The floor is the time until the event is durable: an event that meets a long sync
// waits for it, and long syncs are met more often than they happen.
func BenchmarkWebhook(b *testing.B) {
	receiver := newReceiver()
	server := httptest.NewServer(receiver)
	defer server.Close()
	secrets, err := webhook.ParseSecrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		b.Fatal(err)
	}
	owners, err := webhook.New(webhook.Options{URL: server.URL, Secrets: secrets, AllowPrivate: true})
	if err != nil {
		b.Fatal(err)
	}
	c := startCore(b, owners)
	l := newLoad(c)
	l.enrol(b)
	rate := l.half(b)

	stop, paced := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(paced)
		l.pace(b, rate, stop)
	}()
	var sent []time.Time
	var durable durableTimes
	probes := &load{c: c, filler: l.filler}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for b.Loop() {
		<-tick.C
		car := benchCars - 1 - len(sent)%benchCars // from the other end than the load
		rec := probes.alarm(car, c.clock.Now())
		sent = append(sent, time.Now())
		if err := c.Sink().Take([]ingest.Record{rec}, &durable, uint64(len(sent)-1)); err != nil {
			b.Fatal(err)
		}
	}
	close(stop)
	<-paced
	l.settle(b)

	var took, kept []time.Duration
	for i, at := range sent {
		kept = append(kept, durable.when(i).Sub(at))
		if came, ok := receiver.when(string(l.filler.VIN(benchCars - 1 - i))); ok {
			took = append(took, came.Sub(at))
		}
	}
	if len(took) < len(sent)*9/10 {
		b.Fatalf("%d of %d alarms arrived", len(took), len(sent))
	}
	slices.Sort(took)
	slices.Sort(kept)
	s := c.journal.Stats()
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(kept[len(kept)/2].Microseconds())/1000, "p50-durable-ms")
	b.ReportMetric(float64(kept[len(kept)*99/100].Microseconds())/1000, "p99-durable-ms")
	b.ReportMetric(float64(s.Syncs.Quantile(0.99).Microseconds())/1000, "p99-sync-ms")
	b.ReportMetric(rate, "events/s")
}

// durableTimes notes when each event was acknowledged.
type durableTimes struct {
	mu   sync.Mutex
	came map[uint64]time.Time
}

// Acked implements ingest.Acker.
func (d *durableTimes) Acked(id uint64, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.came == nil {
		d.came = map[uint64]time.Time{}
	}
	d.came[id] = time.Now()
}

func (d *durableTimes) when(i int) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.came[uint64(i)]
}

// half is half of the rate that the whole path takes, measured for three seconds.
func (l *load) half(b *testing.B) float64 {
	const during = 3 * time.Second
	start, before := time.Now(), l.sent
	for time.Since(start) < during {
		l.next(b)
	}
	l.settle(b)
	return float64(l.sent-before) / time.Since(start).Seconds() / 2
}

// pace sends so many events a second until told to stop.
func (l *load) pace(b *testing.B, rate float64, stop <-chan struct{}) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for start, before := time.Now(), l.sent; ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for due := int(rate * time.Since(start).Seconds()); l.sent-before < due; {
			l.next(b)
		}
	}
}

// receiver notes when the first request about a vehicle came.
type receiver struct {
	mu   sync.Mutex
	came map[string]time.Time
}

func newReceiver() *receiver { return &receiver{came: map[string]time.Time{}} }

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if text := string(body); strings.Contains(text, `"type":"milepost.alert.firing"`) {
		_, after, _ := strings.Cut(text, `"vin":"`)
		vin, _, _ := strings.Cut(after, `"`)
		r.mu.Lock()
		if _, known := r.came[vin]; !known {
			r.came[vin] = at
		}
		r.mu.Unlock()
	}
}

func (r *receiver) when(vin string) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.came[vin]
	return at, ok
}
