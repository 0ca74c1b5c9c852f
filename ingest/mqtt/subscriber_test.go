package mqtt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

// The tests of this file run against a fake broker that is in their hands byte by byte. The same over real
// brokers: mochi in mochi_test.go, Mosquitto in cmd/internal/e2e.

func one() []receive.Topic {
	return []receive.Topic{{Filter: "vehicles/+/telemetry", Codec: "json", Types: ingest.TypeSet(ingest.Telemetry)}}
}

func TestFakeBrokerGetsAcknowledgementsOnlyWhenDurableAndInOrder(t *testing.T) {
	f, l := newFakeBroker(t), newLog(false)
	subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one()})
	c, filters := f.session(1)
	if !slices.Equal(filters, []string{"vehicles/+/telemetry"}) {
		t.Fatal(filters)
	}
	if flags := c.connect[7]; flags&2 != 0 {
		t.Fatalf("connect flags %#x: a clean session forgets what arrives while the engine is away", flags)
	}
	for id := 1; id <= 3; id++ {
		c.send(publish("vehicles/V1/telemetry", 2, id, "{}"))
	}
	recs := l.await(t, 3)
	if r := recs[0]; string(r.Key) != "V1" || r.Source != "mqtt" || r.Codec != "json" || r.Types != ingest.TypeSet(ingest.Telemetry) {
		t.Fatalf("%+v", r)
	}
	l.sync(2, 1)
	c.send(publish("vehicles/V1/telemetry", 2, 4, "{}"))
	l.await(t, 4)
	l.sync(0, 3)
	if got := c.acks(0x40, 4); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Fatalf("acknowledged %v", got)
	}
}

// The acknowledgement of a lost connection must not confirm the message that has its packet id on the next.
func TestFakeBrokerGetsNoLateAcknowledgement(t *testing.T) {
	f, l := newFakeBroker(t), newLog(false)
	s, _, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one()})
	c, _ := f.session(1)
	c.send(publish("vehicles/V1/telemetry", 2, 7, `{"a":1}`))
	l.await(t, 1)
	c.Close()
	c, _ = f.session(1)
	c.send(publish("vehicles/V2/telemetry", 2, 7, `{"b":2}`))
	l.await(t, 2)
	l.sync(0)
	c.send(publish("vehicles/V2/telemetry", 2, 8, `{"b":3}`))
	l.await(t, 3)
	if st := s.Stats(); st.StaleAcks != 1 || st.Acked != 0 || st.Reconnects != 1 || st.Waiting != 2 {
		t.Fatalf("%+v", st)
	}
	l.sync(1, 2)
	if got := c.acks(0x40, 2); !slices.Equal(got, []int{7, 8}) {
		t.Fatalf("acknowledged %v", got)
	}
}

func TestFakeBrokerReusesAPacketID(t *testing.T) {
	f, l := newFakeBroker(t), newLog(false)
	s, _, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one()})
	c, _ := f.session(1)
	c.send(publish("vehicles/V1/telemetry", 2, 7, `{"a":1}`))
	c.send(publish("vehicles/V1/telemetry", 2|dupFlag, 7, `{"a":2}`))
	l.await(t, 2)
	l.sync(0)
	c.send(publish("vehicles/V1/telemetry", 2, 8, `{"a":3}`))
	l.await(t, 3)
	l.sync(1, 2)
	if got := c.acks(0x40, 2); !slices.Equal(got, []int{7, 8}) {
		t.Fatalf("acknowledged %v, expected 7 once", got)
	}
	if st := s.Stats(); st.Reused != 1 || st.Redelivered != 1 {
		t.Fatalf("%+v", st)
	}
}

// A broker that forgot what it was to keep is told of, but not at the first connection.
func TestFakeBrokerForgetsTheSession(t *testing.T) {
	f, l := newFakeBroker(t), newLog(true)
	_, out, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one()})
	for i, want := range []bool{false, true} {
		c := f.accept()
		c.send([]byte{0x20, 2, 0, 0})
		_, body := c.packet()
		c.send([]byte{0x90, 3, body[0], body[1], 1})
		c.send(publish("vehicles/V1/telemetry", 2, 1, "{}"))
		c.acks(0x40, 1)
		if got := strings.Contains(out.String(), "has forgotten the session"); got != want {
			t.Fatalf("connection %d: %v\n%s", i, got, out)
		}
		c.Close()
	}
}

// What an earlier subscriber of this client id had asked for with QoS 2 is finished as QoS 2.
func TestFakeBrokerSendsQoS2AndQoS0(t *testing.T) {
	f, l := newFakeBroker(t), newLog(true)
	subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one()})
	c, _ := f.session(1)
	c.send(publish("vehicles/V1/telemetry", 4, 9, "{}"))
	if got := c.acks(0x50, 1); got[0] != 9 {
		t.Fatalf("PUBREC %v", got)
	}
	c.send([]byte{0x62, 2, 0, 9})
	if got := c.acks(0x70, 1); got[0] != 9 {
		t.Fatalf("PUBCOMP %v", got)
	}
	c.send(publish("vehicles/V2/telemetry", 0, 0, "{}"))
	if recs := l.await(t, 2); string(recs[1].Key) != "V2" {
		t.Fatalf("%+v", recs[1])
	}
}

// A stop acknowledges what becomes durable, takes nothing more and leaves the session to the broker.
func TestFakeBrokerSeesACleanStop(t *testing.T) {
	f, l := newFakeBroker(t), newLog(false)
	s, _, stop := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one(), DrainTimeout: patience30})
	c, _ := f.session(1)
	c.send(publish("vehicles/V1/telemetry", 2, 1, "{}"))
	l.await(t, 1)
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	eventually(t, "the session is leaving", func() bool {
		s.connections[0].mu.Lock()
		defer s.connections[0].mu.Unlock()
		return s.connections[0].session != nil && s.connections[0].session.leaving.Load()
	})
	c.send(publish("vehicles/V1/telemetry", 2, 2, "{}"))
	l.sync(0)
	if got := c.acks(0x40, 1); got[0] != 1 {
		t.Fatal(got)
	}
	if kind, _ := c.packet(); kind != 0xe0 {
		t.Fatalf("then %#x, expected DISCONNECT", kind)
	}
	c.Close()
	<-stopped
	if recs := l.await(t, 1); len(recs) != 1 {
		t.Fatalf("%d taken, one of them after the stop began", len(recs))
	}
}

// A stop does not wait for ever for a log that does not sync.
func TestFakeBrokerSeesAStopWithoutSync(t *testing.T) {
	f, l := newFakeBroker(t), newLog(false)
	_, out, stop := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one(), DrainTimeout: time.Millisecond})
	c, _ := f.session(1)
	c.send(publish("vehicles/V1/telemetry", 2, 1, "{}"))
	l.await(t, 1)
	stop()
	if kinds := c.closed(); slices.Contains(kinds, 0x40) {
		t.Fatalf("acknowledged what is not durable: %x", kinds)
	}
	if !strings.Contains(out.String(), "stopped before everything taken was durable") {
		t.Fatal(out)
	}
}

// A log that stands gives the connection up, without a message being lost or taken twice at once.
func TestFakeBrokerIsLeftWhenIntakeStands(t *testing.T) {
	f, l := newFakeBroker(t), newLog(true)
	s, out, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one(), Patience: 20 * time.Millisecond})
	t.Cleanup(func() { l.block(false) })
	c, _ := f.session(1)
	l.block(true)
	for id := 1; id <= 5; id++ {
		c.send(publish("vehicles/V1/telemetry", 2, id, "{}"))
	}
	eventually(t, "the trouble is told", func() bool { return strings.Contains(s.Stats().Trouble, "intake has not taken") })
	if !strings.Contains(out.String(), "which keeps what arrives") {
		t.Fatal(out)
	}
	if st := s.Stats(); st.Connected != 0 || st.Taken != 0 {
		t.Fatalf("%+v", st)
	}
	l.block(false)
	if kinds := c.closed(); len(kinds) != 0 {
		t.Fatalf("%x after the session ended", kinds)
	}
	c, _ = f.session(1)
	for id := 1; id <= 5; id++ {
		c.send(publish("vehicles/V1/telemetry", 2|dupFlag, id, "{}"))
	}
	if got := c.acks(0x40, 5); !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
		t.Fatal(got)
	}
	if st := s.Stats(); st.Trouble != "" || st.Connected != 1 {
		t.Fatalf("%+v", st)
	}
}

// A dead log acknowledges nothing and ends the session.
func TestFakeBrokerSeesADeadLog(t *testing.T) {
	f, l := newFakeBroker(t), newLog(false)
	subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one()})
	c, _ := f.session(1)
	c.send(publish("vehicles/V1/telemetry", 2, 1, "{}"))
	l.await(t, 1)
	l.acks[0].to.Acked(l.acks[0].id, errors.New("sync failed"))
	if kinds := c.closed(); slices.Contains(kinds, 0x40) {
		t.Fatalf("%x", kinds)
	}
}

func TestFakeBrokerSendsWhatNoFilterMatchesAndTooMuch(t *testing.T) {
	f, l := newFakeBroker(t), newLog(true)
	s, out, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one()})
	c, _ := f.session(1)
	large, huge := strings.Repeat("a", ingest.MaxPayload+1), strings.Repeat("b", 3<<20)
	c.send(publish("elsewhere/V1", 2, 1, "{}"))
	c.send(publish("vehicles/V1/telemetry", 2, 2, large))
	c.send(publish("vehicles/V2/telemetry", 2, 3, huge))
	c.send(publish("elsewhere/V2", 0, 0, huge))
	c.send(publish("vehicles/V3/telemetry", 2, 4, "{}"))
	if got := c.acks(0x40, 4); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Fatal(got)
	}
	recs := l.await(t, 5)
	if recs[0].Codec != "" || recs[0].Types != 0 || recs[0].Topic != "elsewhere/V1" {
		t.Fatalf("%+v", recs[0])
	}
	for i, want := range map[int]string{1: large, 2: huge, 3: huge} {
		r := recs[i]
		sum := sha256.Sum256([]byte(want))
		if !r.Oversize || binary.BigEndian.Uint64(r.Payload) != uint64(len(want)) || !bytes.Equal(r.Payload[8:40], sum[:]) || string(r.Payload[40:]) != want[:ingest.OversizeKeep] {
			t.Fatalf("record %d: oversize %v, %x", i, r.Oversize, r.Payload[:40])
		}
	}
	if string(recs[2].Key) != "V2" || string(recs[4].Key) != "V3" || recs[4].Oversize || string(recs[4].Payload) != "{}" {
		t.Fatalf("%+v", recs[4])
	}
	if st := s.Stats(); st.Unmatched != 2 || st.Oversize != 3 {
		t.Fatalf("%+v", st)
	}
	if !strings.Contains(out.String(), "matches no filter") || strings.Contains(out.String(), "elsewhere") {
		t.Fatal(out)
	}
}

// A broker that breaks the protocol costs its connection, and neither the process nor a core.
func TestFakeBrokerBreaksTheProtocol(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"connack again":        {0x20, 2, 0, 0},
		"connect":              {0x10, 2, 0, 0},
		"publish with QoS 3":   {0x36, 4, 0, 1, 'a', 0},
		"publish too short":    {0x32, 3, 0, 1, 'a'},
		"topic beyond the end": {0x32, 5, 0xff, 0xff, 'a', 0, 1},
		"suback of two":        {0x90, 4, 0, 1, 1, 1},
		"suback of none":       {0x90, 2, 0, 1},
		"length of five bytes": {0x30, 0xff, 0xff, 0xff, 0xff, 1},
		"reserved":             {0xf0, 0},
		"puback of two bytes":  {0x40, 2, 0, 1},
		"unsuback too long":    {0xb0, 3, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f, l := newFakeBroker(t), newLog(true)
			s, _, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one()})
			c, _ := f.session(1)
			c.send(bytes)
			c.closed()
			c, _ = f.session(1)
			if st := s.Stats(); st.Reconnects != 1 || st.Failures != 1 {
				t.Fatalf("%+v", st)
			}
			c.send(publish("vehicles/V1/telemetry", 2, 1, "{}"))
			c.acks(0x40, 1)
		})
	}
}

func TestFakeBrokerRefuses(t *testing.T) {
	for _, x := range []struct {
		name   string
		answer []byte
		want   string
	}{
		{"password", []byte{0x20, 2, 0, 4}, "mqtt.connect.username, password_file"},
		{"user", []byte{0x20, 2, 0, 5}, "mqtt.connect.username, password_file"},
		{"client id", []byte{0x20, 2, 0, 2}, `mqtt.connect.client_id: the broker refuses \"engine\"`},
		{"version", []byte{0x20, 2, 0, 1}, "does not speak MQTT 3.1.1"},
		{"not available", []byte{0x20, 2, 0, 3}, "not available"},
		{"silence", nil, "does it want TLS"},
		{"another protocol", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "does not answer as an MQTT broker"},
	} {
		t.Run(x.name, func(t *testing.T) {
			f, l := newFakeBroker(t), newLog(true)
			s, out, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one(), Username: "u", Password: func() (string, error) { return "p", nil }})
			for range 3 { // it is tried again
				c := f.accept()
				if len(x.answer) > 0 {
					c.send(x.answer)
				} else {
					c.Close()
					continue
				}
				c.closed()
			}
			eventually(t, "the trouble is told", func() bool { return s.Stats().Failures >= 3 })
			if got := strings.Count(out.String(), x.want); got != 1 {
				t.Fatalf("%q stands %d times in\n%s", x.want, got, out)
			}
			if want := strings.ReplaceAll(x.want, `\"`, `"`); !strings.Contains(s.Stats().Trouble, want) {
				t.Fatalf("trouble %q", s.Stats().Trouble)
			}
		})
	}
}

// Two engines under one client id throw each other out: each sees its connections end soon.
func TestFakeBrokerThrowsUsOut(t *testing.T) {
	f, l := newFakeBroker(t), newLog(true)
	s, out, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one(), RetryMin: time.Millisecond, RetryMax: time.Hour})
	for range 3 {
		c, _ := f.session(1)
		eventually(t, "it is subscribed", func() bool { return s.Stats().Connected == 1 })
		c.Close()
		eventually(t, "it is lost", func() bool { return s.Stats().Connected == 0 })
	}
	eventually(t, "it says so", func() bool {
		return strings.Contains(out.String(), `is another client connected as mqtt.connect.client_id \"engine\"`)
	})
}

func TestFakeBrokerRefusesASubscription(t *testing.T) {
	f, l := newFakeBroker(t), newLog(true)
	s, out, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l})
	c := f.accept()
	c.send([]byte{0x20, 2, 0, 0})
	for i := range 5 {
		_, body := c.packet()
		granted := byte(1)
		if i == 2 {
			granted = 0x80
		}
		c.send([]byte{0x90, 3, body[0], body[1], granted})
	}
	eventually(t, "the trouble is told", func() bool { return strings.Contains(s.Stats().Trouble, "vehicles/+/service") })
	c.send(publish("vehicles/V1/telemetry", 2, 1, "{}"))
	c.acks(0x40, 1) // what was granted goes on
	if !strings.Contains(out.String(), "the broker refuses the subscription to vehicles/+/service; may the user read it?") {
		t.Fatal(out)
	}
	// It is asked for again.
	if kind, body := c.packet(); kind != 0x82 || !bytes.Contains(body, []byte("vehicles/+/service")) {
		t.Fatalf("%#x %q", kind, body)
	} else {
		c.send([]byte{0x90, 3, body[0], body[1], 1})
	}
	eventually(t, "the trouble is over", func() bool { return s.Stats().Trouble == "" })
}

// Each connection has its own filters; those of the others, which its session may still hold, are given up
// once every filter has its connection.
func TestFakeBrokerSeesSeveralConnections(t *testing.T) {
	f, l := newFakeBroker(t), newLog(true)
	subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Connections: 2})
	want := map[string][]string{
		"engine":   {"vehicles/+/telemetry", "vehicles/+/service", "parties/+"},
		"engine-2": {"vehicles/+/profile", "vehicles/+/feedback"},
	}
	first, second := f.accept(), f.accept()
	if bytes.HasSuffix(first.connect, []byte("-2")) {
		first, second = second, first
	}
	serve := func(c *fakeConn, id string) {
		if !bytes.HasSuffix(c.connect, []byte(id)) {
			t.Fatalf("%q connects, expected %s", c.connect, id)
		}
		c.send([]byte{0x20, 2, 0, 0})
		var filters []string
		for range want[id] {
			_, body := c.packet()
			filters = append(filters, string(body[4:len(body)-1]))
			c.send([]byte{0x90, 3, body[0], body[1], 1})
		}
		if !slices.Equal(filters, want[id]) {
			t.Fatalf("%s subscribes to %q", id, filters)
		}
	}
	serve(first, "engine")
	// A filter is not given up while nobody else has it: what arrived meanwhile would be lost.
	if err := first.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if kind, _, err := first.read(); err == nil {
		t.Fatalf("packet %#x before the other connection has subscribed", kind)
	}
	if err := first.SetReadDeadline(time.Now().Add(patience30)); err != nil {
		t.Fatal(err)
	}
	serve(second, "engine-2")
	for c, other := range map[*fakeConn]string{first: "engine-2", second: "engine"} {
		kind, body := c.packet()
		for _, filter := range want[other] {
			if kind != 0xa2 || !bytes.Contains(body, []byte(filter)) {
				t.Fatalf("packet %#x %q, expected UNSUBSCRIBE of %q", kind, body, filter)
			}
		}
		c.send([]byte{0xb0, 2, body[0], body[1]})
	}
}

func TestFakeBrokerSeesASharedSubscription(t *testing.T) {
	f, l := newFakeBroker(t), newLog(true)
	_, out, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one(), Connections: 2, Share: "mp"})
	for range 2 {
		if _, filters := f.session(1); filters[0] != "$share/mp/vehicles/+/telemetry" {
			t.Fatal(filters)
		}
	}
	if !strings.Contains(out.String(), "may overtake each other") {
		t.Fatal(out)
	}
}

// A broker that says nothing is given up; one that answers pings is not, however little it sends.
func TestFakeBrokerFallsSilent(t *testing.T) {
	f, l := newFakeBroker(t), newLog(true)
	s, _, _ := subscribe(t, SubscriberOptions{URL: f.url(), Sink: l, Topics: one(), KeepAlive: time.Second})
	c, _ := f.session(1)
	for range 2 {
		kind, _, err := c.read()
		if err != nil || kind != 0xc0 {
			t.Fatalf("%#x %v, expected a ping", kind, err)
		}
		c.send([]byte{0xd0, 0})
	}
	if st := s.Stats(); st.Reconnects+st.Failures > 0 {
		t.Fatalf("%+v", st)
	}
	f.session(1) // c is silent from now on
	if st := s.Stats(); st.Failures != 1 {
		t.Fatalf("%+v", st)
	}
}

func TestSubscriberOptionsAreChecked(t *testing.T) {
	ok := SubscriberOptions{URL: "mqtt://localhost", ClientID: "c", Sink: newLog(true)}
	for want, change := range map[string]func(*SubscriberOptions){
		"no sink":              func(o *SubscriberOptions) { o.Sink = nil },
		"no client id":         func(o *SubscriberOptions) { o.ClientID = "" },
		"so 1 would be idle":   func(o *SubscriberOptions) { o.Connections = 6 },
		"expected 1 to 64":     func(o *SubscriberOptions) { o.Connections = 65 },
		"expected a name":      func(o *SubscriberOptions) { o.Share = "a/b" },
		"expected mqtt or tls": func(o *SubscriberOptions) { o.URL = "http://localhost" },
		"without a user":       func(o *SubscriberOptions) { o.URL = "mqtt://u:p@localhost" },
		"whole seconds":        func(o *SubscriberOptions) { o.KeepAlive = 1500 * time.Millisecond },
		"have topics in common": func(o *SubscriberOptions) {
			o.Connections, o.Topics = 2, append(one(), receive.Topic{Filter: "vehicles/V1/+", Codec: "json", Types: 1})
		},
		"1 to 65535": func(o *SubscriberOptions) { o.Window = 65536 },
	} {
		o := ok
		change(&o)
		if _, err := NewSubscriber(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	ok.Share, ok.Connections = "g", 8
	if s, err := NewSubscriber(ok); err != nil || s.Address() != "localhost:1883" {
		t.Fatal(err)
	}
	ok.URL = "tls://[::1]"
	if s, err := NewSubscriber(ok); err != nil || s.Address() != "[::1]:8883" {
		t.Fatal(err)
	}
}

func TestRetryPausesGrow(t *testing.T) {
	r := retry{min: time.Second, max: 30 * time.Second}
	var got []time.Duration
	for range 7 {
		r.note(false, 0)
		got = append(got, r.next/time.Second)
	}
	if !slices.Equal(got, []time.Duration{1, 2, 4, 8, 16, 30, 30}) {
		t.Fatal(got)
	}
	if short := r.note(true, time.Second); short != 1 || r.next != r.max {
		t.Fatal("a connection that is lost at once does not count as success", short, r.next)
	}
	if short := r.note(true, time.Hour); short != 0 || r.next != r.min {
		t.Fatal(short, r.next)
	}
}
