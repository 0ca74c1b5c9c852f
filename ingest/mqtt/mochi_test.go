package mqtt

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

// The tests of this file run against mochi, a broker in this process. It keeps sessions in memory and sends
// again out of order what was not acknowledged, where Mosquitto keeps the order.

// allowing lets everybody do everything.
type allowing struct{ mochi.HookBase }

func (*allowing) Provides(b byte) bool {
	return b == mochi.OnACLCheck || b == mochi.OnConnectAuthenticate
}

func (*allowing) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*allowing) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

// denying refuses the subscription to one filter.
type denying struct {
	allowing
	filter string
}

func (d *denying) OnACLCheck(_ *mochi.Client, topic string, write bool) bool {
	return write || topic != d.filter
}

// newMochi serves on a free port until the test ends.
func newMochi(t *testing.T, hook mochi.Hook) (server *mochi.Server, url string) {
	t.Helper()
	server = mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := server.AddHook(hook, nil); err != nil {
		t.Fatal(err)
	}
	l := listeners.NewTCP(listeners.Config{ID: "t", Address: "127.0.0.1:0"})
	if err := server.AddListener(l); err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, "mqtt://" + l.Address()
}

// What was not acknowledged when the connection was cut comes again on the next, in whatever order; what
// becomes durable too late for it is acknowledged there.
func TestMochiSendsAgain(t *testing.T) {
	const n = 10
	server, url := newMochi(t, new(allowing))
	l := newLog(false)
	s, _, _ := subscribe(t, SubscriberOptions{URL: url, Sink: l, Topics: one()})
	eventually(t, "it is subscribed", func() bool { return s.Stats().Connected == 1 })
	p, _ := run(t, PublisherOptions{URL: url})
	for i := range n {
		if err := p.Publish(t.Context(), "vehicles/V1/telemetry", []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	l.await(t, n)
	cl, ok := server.Clients.Get("engine")
	if !ok {
		t.Fatal("mochi does not know the engine")
	}
	cl.Stop(errors.New("cut by the test"))
	recs := l.await(t, 2*n)
	again := map[string]bool{}
	for _, r := range recs[n:] {
		again[string(r.Payload)] = true
	}
	if len(again) != n {
		t.Fatalf("%d of %d came again", len(again), n)
	}
	for i := range 2 * n {
		l.sync(i)
	}
	eventually(t, "each is acknowledged once", func() bool {
		st := s.Stats()
		return st.Acked == n && st.StaleAcks == n && st.Redelivered == n && st.Waiting == 0
	})
	eventually(t, "mochi has them", func() bool {
		cl, ok := server.Clients.Get("engine")
		return ok && cl.State.Inflight.Len() == 0
	})
}

func TestMochiRefusesOneSubscription(t *testing.T) {
	_, url := newMochi(t, &denying{filter: "vehicles/+/service"})
	s, _, _ := subscribe(t, SubscriberOptions{URL: url, Sink: newLog(true)})
	eventually(t, "the trouble is told", func() bool {
		return strings.Contains(s.Stats().Trouble, "mqtt.topics: the broker refuses the subscription to vehicles/+/service")
	})
	eventually(t, "the others are subscribed", func() bool { return s.Stats().Connected == 1 })
}

func TestMochiRetainedFlood(t *testing.T) {
	const n = 500
	server, url := newMochi(t, new(allowing))
	for i := range n {
		pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 2, Retain: true},
			TopicName: fmt.Sprintf("vehicles/V%d/telemetry", i), Payload: []byte("{}"), Created: time.Now().Unix()}
		server.Topics.RetainMessage(pk)
	}
	l := newLog(true)
	s, _, _ := subscribe(t, SubscriberOptions{URL: url, Sink: l, Topics: []receive.Topic{one()[0]}})
	eventually(t, "all retained messages came", func() bool { return s.Stats().Retained >= n })
	eventually(t, "all are acknowledged", func() bool { st := s.Stats(); return st.Acked == st.Taken && st.Waiting == 0 })
}
