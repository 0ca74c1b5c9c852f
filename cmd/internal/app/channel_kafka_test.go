package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

const kafkaRules = `
plans:
  - id: basic
    remind: {soon: {km: 1000}}
    items:
      - {id: engine-oil, title: {en: Engine oil}, every: {km: 10000}}
`

// told is an event as a destination got it.
type told struct {
	ID, Type, Subject string
	key, body         string
}

func parseTold(t *testing.T, key, body []byte) told {
	var x told
	if err := json.Unmarshal(body, &x); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	x.key, x.body = string(key), string(body)
	return x
}

// hook is a webhook's receiver.
type hook struct {
	*httptest.Server
	mu  sync.Mutex
	got []told
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got = append(h.got, parseTold(t, nil, body))
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) all() []told {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]told(nil), h.got...)
}

// ports are free ones for a cluster that is not there yet.
func ports(t *testing.T, n int) (out []int, addrs []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
		addrs = append(addrs, l.Addr().String())
	}
	return out, addrs
}

func startCluster(t *testing.T, ports []int) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(len(ports)), kfake.Ports(ports...), kfake.SeedTopics(3, "milepost.alerts", "milepost.leads"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
}

// onTopic reads n events of a topic, those of a key in order.
func onTopic(t *testing.T, addrs []string, topic string, n int) (out []told) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(out) < n {
		f := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d of %d events on %s: %v", len(out), n, topic, f.Errors())
		}
		for _, r := range f.Records() {
			x := parseTold(t, r.Key, r.Value)
			if x.key != x.Subject {
				t.Errorf("%s has key %q", x.body, x.key)
			}
			if h := r.Headers; len(h) != 1 || h[0].Key != "content-type" || string(h[0].Value) != "application/cloudevents+json; charset=UTF-8" {
				t.Errorf("headers %v", h)
			}
			out = append(out, x)
		}
	}
	return out
}

// With a fake cluster that is not there when the cars report: webhooks get theirs meanwhile, the outbox
// shows what waits, and when the cluster has come both topics have every event, with the ids and bodies of
// the webhooks, also the ones nobody was told (S41).
func TestKafkaOutFakeCluster(t *testing.T) {
	owner, dealer := newHook(t), newHook(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"rules.yaml": kafkaRules, "secret": "whsec_" + strings.Repeat("AAAA", 8) + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at, addrs := ports(t, 2)
	e := startEngine(t, fmt.Sprintf(`rules: %s
policy: {group: {wait: 0s}}
kafka: {brokers: [%q, %q]}
notify:
  kafka: {alerts: milepost.alerts, leads: milepost.leads}
  webhooks:
    - {name: crm, url: %q, secret_file: %s, to: [dealer], allow_private: true}
    - {name: app, url: %q, secret_file: %s, to: [owner], allow_private: true}
`, filepath.Join(dir, "rules.yaml"), addrs[0], addrs[1], dealer.URL, filepath.Join(dir, "secret"), owner.URL, filepath.Join(dir, "secret")))

	const cars = 10
	send := func(format string, args ...any) {
		t.Helper()
		if status, answer := e.post(t, fmt.Sprintf(format, args...)); status != http.StatusAccepted {
			t.Fatalf("%d %s", status, answer)
		}
	}
	for i := range cars {
		send(`{"type":"vehicle","vin":"V%d","profile":{"owner":"O%d","dealer":"D1","plan":"basic"}}`, i, i)
	}
	send(`{"type":"vehicle","vin":"NOBODY","profile":{"dealer":"D1","plan":"basic"}}`)
	for _, km := range []int{9100, 10020, 10600} {
		for i := range cars {
			send(`{"type":"telemetry","vin":"V%d","signals":{"odometer":%d}}`, i, km)
		}
	}
	send(`{"type":"telemetry","vin":"NOBODY","signals":{"odometer":9100}}`)

	e.until(t, "the webhooks have theirs", func() bool { return len(owner.all()) == 3*cars && len(dealer.all()) == 3*cars+1 })
	var st app.Status
	e.get(t, "/api/v1/status", &st)
	waiting := map[string]int{}
	for _, d := range st.Outbox {
		waiting[d.Name] = d.Pending
	}
	if waiting["kafka-alerts"] != 3*cars+1 || waiting["kafka-leads"] != 3*cars+1 {
		t.Errorf("waiting %v", waiting)
	}

	startCluster(t, at)
	alerts, leads := onTopic(t, addrs, "milepost.alerts", 3*cars+1), onTopic(t, addrs, "milepost.leads", 3*cars+1)
	same(t, "reminders", alerts, owner.all(), "NOBODY")
	same(t, "leads", leads, dealer.all(), "")
	e.until(t, "nothing waits any more", func() bool {
		st = app.Status{}
		e.get(t, "/api/v1/status", &st)
		for _, d := range st.Outbox {
			if d.Pending > 0 {
				return false
			}
		}
		return true
	})
}

// same holds a topic against a webhook: the same events in the same order for each car, but for one car of
// which nobody is told.
func same(t *testing.T, what string, topic, hook []told, untold string) {
	t.Helper()
	byCar := func(all []told) map[string][]string {
		out := map[string][]string{}
		for _, x := range all {
			out[x.Subject] = append(out[x.Subject], x.ID+" "+x.body)
		}
		return out
	}
	got, want := byCar(topic), byCar(hook)
	if untold != "" && len(got[untold]) != 1 {
		t.Errorf("%s: %d events of a car without owner, expected 1", what, len(got[untold]))
	}
	delete(got, untold)
	for car, events := range want {
		if fmt.Sprint(got[car]) != fmt.Sprint(events) {
			t.Errorf("%s of %s\n got %s\nwant %s", what, car, strconv.Quote(fmt.Sprint(got[car])), strconv.Quote(fmt.Sprint(events)))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: of %d cars, expected %d", what, len(got), len(want))
	}
}
