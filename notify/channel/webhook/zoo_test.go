package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/notify/channel/webhook"
)

const (
	secretNew = "whsec_plJ3nmyCDGBKInavdOK15jslplJ3nmyC"
	secretOld = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G"
)

// receiver is a real HTTP server that checks what it gets as a customer would, then behaves.
type receiver struct {
	t      *testing.T
	server *httptest.Server
	mu     sync.Mutex
	bodies map[string][]byte // by id
	got    int
	times  map[string][]time.Time
}

// newReceiver serves behave; n counts the requests of that id from 0.
func newReceiver(t *testing.T, behave func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	t.Helper()
	v := &receiver{t: t, bodies: map[string][]byte{}, times: map[string][]time.Time{}}
	v.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		behave(w, r, v.take(r))
	}))
	t.Cleanup(v.server.Close)
	return v
}

func (v *receiver) take(r *http.Request) int {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Errorf("read a request: %v", err)
	}
	for _, secret := range []string{secretNew, secretOld} { // while a secret is changed either will do
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			v.t.Error(err)
		} else if err := wh.Verify(body, r.Header); err != nil {
			v.t.Errorf("the reference library refuses the signature: %v", err)
		}
	}
	if r.ContentLength != int64(len(body)) || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents+json") || r.Method != http.MethodPost {
		v.t.Errorf("%s with Content-Length %d for %d bytes of %q", r.Method, r.ContentLength, len(body), r.Header.Get("Content-Type"))
	}
	id := r.Header.Get("webhook-id")
	v.mu.Lock()
	defer v.mu.Unlock()
	if first, again := v.bodies[id]; again && !bytes.Equal(first, body) {
		v.t.Errorf("%s was sent again with other bytes", id)
	}
	v.bodies[id] = body
	v.got++
	v.times[id] = append(v.times[id], time.Now())
	return len(v.times[id]) - 1
}

func (v *receiver) ids() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.bodies)
}

// zoo runs one dispatcher for all endpoints of a test.
type zoo struct {
	t       *testing.T
	d       *notify.Dispatcher
	mu      sync.Mutex
	keys    map[string][]byte
	results map[string][]notify.Result // by endpoint
	ended   chan string
	stop    func()
}

func newZoo(t *testing.T, channels map[string]notify.Channel, horizon time.Duration) *zoo {
	t.Helper()
	z := &zoo{t: t, keys: map[string][]byte{}, results: map[string][]notify.Result{}, ended: make(chan string, 10_000)}
	d, err := notify.NewDispatcher(notify.DispatcherOptions{
		Channels: channels, Results: z, Log: zerolog.Nop(), RetryMin: time.Millisecond, RetryMax: 20 * time.Millisecond, OwnerHorizon: horizon,
		Breaker: notify.BreakerOptions{OpenMin: 5 * time.Millisecond, OpenMax: 20 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	z.d = d
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	z.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	}
	t.Cleanup(func() {
		z.stop()
		for _, ch := range channels {
			if c, ok := ch.(io.Closer); ok {
				c.Close()
			}
		}
	})
	return z
}

// Append implements notify.Results.
func (z *zoo) Append(_ context.Context, _ string, payload []byte) error {
	var r notify.Result
	if err := json.Unmarshal(payload, &r); err != nil {
		return err
	}
	z.mu.Lock()
	z.results[r.Endpoint] = append(z.results[r.Endpoint], r)
	key := z.keys[r.Endpoint+r.ID]
	z.mu.Unlock()
	z.d.Remove(key)
	z.ended <- r.Endpoint
	return nil
}

// put sends n entries of each of some vehicles to an endpoint.
func (z *zoo) put(endpoint string, vehicles, n int) int {
	for v := range vehicles {
		for i := range n {
			e := notify.Entry{
				Endpoint: endpoint, Audience: notify.Owner, ID: fmt.Sprintf("%s-V%d-%03d", endpoint, v, i), Type: "milepost.alert.firing",
				VIN: fmt.Sprintf("V%d", v), Party: "O1", Created: int64(i), Released: time.Now().UnixMilli(),
			}
			e.Body = []byte(`{"id":"` + e.ID + `","text":"发动机 & <>"}`)
			z.mu.Lock()
			z.keys[endpoint+e.ID] = e.Key()
			z.mu.Unlock()
			z.d.Put(e.Key(), e.Append(nil))
		}
	}
	return vehicles * n
}

// wait returns when n entries of an endpoint have ended.
func (z *zoo) wait(endpoint string, n int) {
	z.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		z.mu.Lock()
		have := len(z.results[endpoint])
		z.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-z.ended:
		case <-timeout:
			z.t.Fatalf("%s: %d of %d entries ended; status %+v", endpoint, have, n, z.d.Status())
		}
	}
}

// want checks that every entry of an endpoint ended so, each once.
func (z *zoo) want(endpoint string, n int, verdict notify.Verdict) []notify.Result {
	z.t.Helper()
	z.wait(endpoint, n)
	z.mu.Lock()
	defer z.mu.Unlock()
	rs := z.results[endpoint]
	seen := map[string]bool{}
	for _, r := range rs {
		if r.Result != verdict || seen[r.ID] {
			z.t.Errorf("%s: %s ended %s (%s), seen before: %v; want %s once", endpoint, r.ID, r.Result, r.Detail, seen[r.ID], verdict)
		}
		seen[r.ID] = true
	}
	if len(rs) != n {
		z.t.Errorf("%s: %d results, want %d", endpoint, len(rs), n)
	}
	return slices.Clone(rs)
}

func hook(t *testing.T, url string, change ...func(*webhook.Options)) *webhook.Channel {
	t.Helper()
	secrets, err := webhook.ParseSecrets(secretNew + "\n" + secretOld)
	if err != nil {
		t.Fatal(err)
	}
	o := webhook.Options{URL: url, Secrets: secrets, AllowPrivate: true, Connect: time.Second, Total: 5 * time.Second}
	for _, f := range change {
		f(&o)
	}
	c, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func short(o *webhook.Options) { o.Total = 100 * time.Millisecond }

func ok(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusNoContent) }

// An endpoint that never answers, beside one that does: the healthy one is done before the other has
// ended anything.
func TestZooHangingBesideHealthy(t *testing.T) {
	release := make(chan struct{})
	hanging := newReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	healthy := newReceiver(t, ok)
	z := newZoo(t, map[string]notify.Channel{"hanging": hook(t, hanging.server.URL), "healthy": hook(t, healthy.server.URL)}, time.Minute)
	n := z.put("hanging", 50, 4)
	z.put("healthy", 50, 4)
	z.want("healthy", n, notify.Delivered)
	if healthy.ids() != n || healthy.got != n {
		t.Errorf("the healthy endpoint got %d requests of %d ids, want %d of each", healthy.got, healthy.ids(), n)
	}
	z.mu.Lock()
	if len(z.results["hanging"]) != 0 {
		t.Error("the hanging endpoint has ended something")
	}
	z.mu.Unlock()
	close(release)
	z.want("hanging", n, notify.Delivered)
}

// One request in ten fails, by status or by a reset after it was taken; every id arrives, and a vehicle's
// in order.
func TestZooErrorsAndResets(t *testing.T) {
	var mu sync.Mutex
	var calls int
	var order []string
	v := newReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
		mu.Lock()
		calls++
		c := calls
		if n == 0 {
			order = append(order, r.Header.Get("webhook-id"))
		}
		mu.Unlock()
		switch c % 20 {
		case 0:
			w.WriteHeader([]int{500, 502, 503, 408, 425}[c/20%5])
		case 10: // applied, then reset
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	})
	z := newZoo(t, map[string]notify.Channel{"flaky": hook(t, v.server.URL)}, time.Minute)
	n := z.put("flaky", 20, 10)
	rs := z.want("flaky", n, notify.Delivered)
	if v.ids() != n || v.got <= n {
		t.Errorf("%d requests of %d ids, want %d ids and repeats", v.got, v.ids(), n)
	}
	attempts := 0
	for _, r := range rs {
		attempts += r.Attempts
	}
	if attempts != v.got {
		t.Errorf("%d attempts counted, %d requests seen", attempts, v.got)
	}
	last := map[string]string{}
	for _, id := range order {
		vin := id[:strings.LastIndexByte(id, '-')]
		if id < last[vin] {
			t.Errorf("%s came after %s", id, last[vin])
		}
		last[vin] = id
	}
}

// 429 with Retry-After is left alone that long.
func TestZooRetryAfter(t *testing.T) {
	v := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	z := newZoo(t, map[string]notify.Channel{"busy": hook(t, v.server.URL)}, time.Minute)
	z.want("busy", z.put("busy", 4, 1), notify.Delivered)
	for id, at := range v.times {
		if len(at) != 2 || at[1].Sub(at[0]) < 900*time.Millisecond {
			t.Errorf("%s was sent at %v, want twice with a second between", id, at)
		}
	}
}

// A reply of 10 MB, and one that never ends, cost neither memory nor time: the status has decided.
func TestZooLongReplies(t *testing.T) {
	wrote := make(chan int64, 100)
	long := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		n, _ := io.Copy(w, io.LimitReader(zeros{}, 10<<20))
		wrote <- n
	})
	drip := newReceiver(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		for { // one byte a second, in the test's own time
			if _, err := w.Write([]byte{'.'}); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	z := newZoo(t, map[string]notify.Channel{"long": hook(t, long.server.URL), "drip": hook(t, drip.server.URL)}, time.Minute)
	z.put("long", 4, 1)
	z.put("drip", 4, 1)
	z.want("long", 4, notify.Delivered)
	z.want("drip", 4, notify.Delivered)
	if n := <-wrote; n >= 10<<20 {
		t.Errorf("all %d bytes of the reply were taken", n)
	}
	if drip.got != 4 {
		t.Errorf("%d requests to the dripping endpoint, want 4", drip.got)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// Answers that never come are given up and tried again: a handler that sleeps, a header that drips.
func TestZooTimeouts(t *testing.T) {
	sleepy := newReceiver(t, func(_ http.ResponseWriter, r *http.Request, n int) {
		if n < 2 {
			<-r.Context().Done()
		}
	})
	z := newZoo(t, map[string]notify.Channel{"sleepy": hook(t, sleepy.server.URL, short), "header": hook(t, drippingHeader(t), short)}, time.Second)
	z.put("sleepy", 3, 1)
	z.put("header", 1, 1)
	for _, r := range z.want("sleepy", 3, notify.Delivered) {
		if r.Attempts != 3 {
			t.Errorf("%s took %d attempts, want 3", r.ID, r.Attempts)
		}
	}
	if rs := z.want("header", 1, notify.Expired); !strings.Contains(rs[0].Detail, "no answer in time") {
		t.Errorf("result %+v, want to hear of the time", rs[0])
	}
}

// drippingHeader listens and answers with a header that never ends.
func drippingHeader(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				// Not before it is asked: a client takes bytes on an idle connection for a broken server.
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				for {
					if _, err := conn.Write([]byte("H")); err != nil {
						return
					}
					conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
					if _, err := io.Copy(io.Discard, conn); err == nil { // the client hung up
						return
					}
				}
			})
		}
	})
	return "http://" + l.Addr().String()
}

// 410 disables, other 4xx and redirects end an entry; nothing is followed.
func TestZooRefusals(t *testing.T) {
	elsewhere := newReceiver(t, ok)
	status := func(code int) *receiver {
		return newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Location", elsewhere.server.URL)
			w.WriteHeader(code)
			io.WriteString(w, strings.Repeat("é", 1000))
		})
	}
	gone, bad, moved := status(410), status(422), status(302)
	z := newZoo(t, map[string]notify.Channel{"gone": hook(t, gone.server.URL), "bad": hook(t, bad.server.URL), "moved": hook(t, moved.server.URL)}, time.Minute)
	for _, name := range []string{"gone", "bad", "moved"} {
		z.put(name, 5, 2)
	}
	z.want("gone", 10, notify.Disabled)
	if gone.got > 8 {
		t.Errorf("%d requests after 410, want at most those under way", gone.got)
	}
	if rs := z.want("bad", 10, notify.Dead); !strings.HasPrefix(rs[0].Detail, "422 Unprocessable Entity: é") || len(rs[0].Detail) > 250 {
		t.Errorf("detail %q, want the status and 200 bytes of the reply", rs[0].Detail)
	}
	if rs := z.want("moved", 10, notify.Dead); !strings.Contains(rs[0].Detail, "redirects are not followed") {
		t.Errorf("detail %q, want to hear of the redirect", rs[0].Detail)
	}
	if elsewhere.got != 0 {
		t.Error("a redirect was followed")
	}
}

// What cannot be reached is tried until it expires: no such name, nobody listening, a certificate nobody
// vouches for, an address the guard refuses.
func TestZooUnreachable(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request got through") }))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()
	public := func(o *webhook.Options) { o.AllowPrivate = false }
	z := newZoo(t, map[string]notify.Channel{
		"name": hook(t, "https://milepost.invalid/", short), "nobody": hook(t, nobody, short),
		"cert": hook(t, secure.URL, short), "guard": hook(t, "https://localhost/", short, public),
	}, 400*time.Millisecond)
	details := map[string]string{"name": "", "nobody": "refused", "cert": "certificate", "guard": "allow_private"}
	for name := range details {
		z.put(name, 1, 1)
	}
	for name, detail := range details {
		if rs := z.want(name, 1, notify.Expired); !strings.Contains(rs[0].Detail, detail) || len(rs[0].Entry) == 0 {
			t.Errorf("%s: result %+v, want a detail with %q and the entry", name, rs[0], detail)
		}
	}
}

// HTTPS with a known authority works, over one connection for many events.
func TestZooTLS(t *testing.T) {
	v := &receiver{t: t, bodies: map[string][]byte{}, times: map[string][]time.Time{}}
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { v.take(r) }))
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	z := newZoo(t, map[string]notify.Channel{"tls": hook(t, server.URL, func(o *webhook.Options) { o.TLS = &tls.Config{RootCAs: pool} })}, time.Minute)
	z.want("tls", z.put("tls", 10, 5), notify.Delivered)
	if v.ids() != 50 {
		t.Errorf("%d ids arrived, want 50", v.ids())
	}
}
