package broker

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

func TestAcknowledgesOnlyWhatIsDurable(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	c := connect(t, b, "c")
	for id := 1; id <= 3; id++ {
		c.send(publish("vehicles/V1/telemetry", 1, id, "{}"))
	}
	sink.await(3)
	c.ping() // nothing was acknowledged before

	sink.sync(nil, 0)
	if got := c.acks(1); !slices.Equal(got, []int{1}) {
		t.Fatalf("acknowledged %v, expected [1]", got)
	}
	c.ping()
	sink.sync(nil, 1, 2)
	if got := c.acks(2); !slices.Equal(got, []int{2, 3}) {
		t.Fatalf("acknowledged %v, expected [2 3]", got)
	}
}

// Two partitions of the log sync out of step; the PUBACKs keep the order of receipt (MQTT-4.6.0-2).
func TestAcknowledgesInOrderOfReceipt(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	c := connect(t, b, "c")
	for id := 1; id <= 4; id++ {
		c.send(publish("vehicles/V1/telemetry", 1, 100+id, "{}"))
	}
	sink.await(4)
	sink.sync(nil, 2, 1, 3)
	c.ping()
	sink.sync(nil, 0)
	if got := c.acks(4); !slices.Equal(got, []int{101, 102, 103, 104}) {
		t.Fatalf("acknowledged %v", got)
	}
}

// After a failed sync nothing is acknowledged any more, not even what is durable behind it (E4).
func TestFailedSyncClosesTheConnection(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	c := connect(t, b, "c")
	c.send(publish("vehicles/V1/telemetry", 1, 1, "{}"))
	c.send(publish("vehicles/V1/telemetry", 1, 2, "{}"))
	sink.await(2)
	sink.sync(errors.New("disk gone"), 0)
	sink.sync(nil, 1)
	if kind, body, err := c.readPacket(); err == nil {
		t.Fatalf("got packet %x %x after a failed sync", kind, body)
	}
	if got := b.Stats().Acked; got != 0 {
		t.Fatalf("%d acknowledged", got)
	}
}

func TestRecordsOfMessages(t *testing.T) {
	profile := ingest.TypeSet(ingest.Vehicle)
	party := ingest.TypeSet(ingest.Party)
	big := strings.Repeat("x", ingest.MaxPayload+1)
	many := "[" + strings.Repeat("0,", receive.MaxEntries) + "0]"
	cases := []struct {
		name, topic, payload string
		want                 []taken
	}{
		{"telemetry", "vehicles/V1/telemetry", "{}", []taken{{key: "V1", payload: "{}", codec: "json", types: telemetry}}},
		{"profile", "vehicles/V1/profile", "{}", []taken{{key: "V1", payload: "{}", codec: "json", types: profile}}},
		{"party", "parties/O77", "{}", []taken{{key: "O77", payload: "{}", codec: "json", types: party, party: true}}},
		{"empty payload", "vehicles/V1/telemetry", "", []taken{{key: "V1", codec: "json", types: telemetry}}},
		{"array", "vehicles/V1/telemetry", "[a,b]", []taken{
			{key: "V1", payload: "a", codec: "json", types: telemetry},
			{key: "V1", payload: "b", codec: "json", types: telemetry}}},
		{"damaged array", "vehicles/V1/telemetry", "[a,b", []taken{{key: "V1", payload: "[a,b", codec: "json", types: telemetry}}},
		{"key not valid", "vehicles/V 1/telemetry", "{}", []taken{{payload: "{}", codec: "json", types: telemetry}}},
		{"no key", "vehicles//telemetry", "{}", []taken{{payload: "{}", codec: "json", types: telemetry}}},
		{"unknown topic", "cars/V1/telemetry", "{}", []taken{{payload: "{}"}}},
		{"topic too deep", "vehicles/V1/telemetry/x", "{}", []taken{{payload: "{}"}}},
		{"topic too short", "vehicles/V1", "{}", []taken{{payload: "{}"}}},
		{"server topic", "$SYS/vehicles", "{}", []taken{{payload: "{}"}}},
		{"dollar topic", "$x/V1", "[a,b]", []taken{{payload: "[a,b]"}}},
		{"array of none", "vehicles/V1/telemetry", "[]", []taken{{key: "V1", payload: "[]", codec: "json", types: telemetry}}},
		{"too many entries", "vehicles/V1/telemetry", many, []taken{{key: "V1", payload: many, codec: "json", types: telemetry}}},
		{"key in the payload", "site", "V3:a", []taken{{key: "V3", payload: "V3:a", codec: "json", types: telemetry}}},
		{"keys in the payload", "site", "[V3:a,O4:b,c]", []taken{
			{key: "V3", payload: "V3:a", codec: "json", types: telemetry},
			{key: "O4", payload: "O4:b", codec: "json", types: telemetry, party: true},
			{payload: "c", codec: "json", types: telemetry}}},
		{"oversize", "vehicles/V1/telemetry", big, []taken{
			{key: "V1", payload: string(ingest.Oversize([]byte(big))), codec: "json", types: telemetry, oversize: true}}},
		{"largest", "vehicles/V1/telemetry", big[1:], []taken{{key: "V1", payload: big[1:], codec: "json", types: telemetry}}},
	}
	sink := newHeldSink()
	topics := append(DefaultTopics(), Topic{Filter: "site", Codec: "json", Types: telemetry})
	b, _ := start(t, Options{Sink: sink, Topics: topics})
	c := connect(t, b, "c")
	n := 0
	for i, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			for _, qos := range []byte{1, 0} {
				before := len(sink.await(n))
				c.send(publish(tc.topic, qos, i+1, tc.payload))
				got := sink.await(n + 1)[before:]
				for j := range tc.want {
					tc.want[j].topic = tc.topic
				}
				if !slices.Equal(got, tc.want) {
					t.Fatalf("qos %d: taken %.200v, expected %.200v", qos, got, tc.want)
				}
				sink.sync(nil, n)
				n++
				if qos == 1 && c.acks(1)[0] != i+1 {
					t.Fatal("wrong acknowledgement")
				}
			}
			c.ping()
		})
	}
}

func TestTenMegabytes(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	c := connect(t, b, "c")
	payload := strings.Repeat("0123456789", 1<<20)
	c.send(publish("vehicles/V1/telemetry", 1, 1, payload))
	got := sink.await(1)[0].payload
	if !binaryOversize(got, payload) {
		t.Fatalf("kept %d bytes, expected length, digest and the first %d", len(got), ingest.OversizeKeep)
	}
	sink.sync(nil, 0)
	c.acks(1)
	c.ping()
}

func binaryOversize(got, payload string) bool {
	sum := sha256.Sum256([]byte(payload))
	return len(got) == 40+ingest.OversizeKeep && binary.BigEndian.Uint64([]byte(got)) == uint64(len(payload)) &&
		bytes.Equal([]byte(got[8:40]), sum[:]) && got[40:] == payload[:ingest.OversizeKeep]
}

func TestPacketOverTheLimitClosesTheConnection(t *testing.T) {
	sink := newHeldSink()
	b, stop := start(t, Options{Sink: sink})
	c, other := connect(t, b, "c"), connect(t, b, "d")
	c.send(binary.AppendUvarint([]byte{0x32}, ingest.MaxPacket)) // the header is one byte too many
	c.closed()
	other.ping()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if s := b.Stats(); s.RefusedSize != 1 || s.Taken != 0 {
		t.Fatalf("stats %+v", s)
	}
}

func TestQoS2IsRefused(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	c := connect(t, b, "c")
	c.send(publish("vehicles/V1/telemetry", 1, 1, "{}"))
	c.send(publish("vehicles/V1/telemetry", 2, 2, "{}"))
	c.closed()
	if s := b.Stats(); s.RefusedQoS2 != 1 || sink.len() > 1 {
		t.Fatalf("stats %+v, %d taken", s, sink.len())
	}
}

func TestSubscriptionIsRefused(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	c := connect(t, b, "c")
	c.send(frame(0x82, append(append([]byte{0, 7}, str("#")...), 1)))
	if kind, body := c.packet(); kind != 0x90 || !bytes.Equal(body, []byte{0, 7, 0x80}) {
		t.Fatalf("suback: got %x %x, expected failure", kind, body)
	}
	c.send(publish("vehicles/V1/telemetry", 0, 0, "{}"))
	c.ping()
	if got := b.Stats().RefusedSubscribe; got != 1 {
		t.Fatalf("%d refused", got)
	}
}

func TestRetainedIsTakenAndNotKept(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	c := connect(t, b, "c")
	p := publish("vehicles/V1/telemetry", 1, 1, "{}")
	p[0] |= 1
	c.send(p)
	sink.await(1)
	sink.sync(nil, 0)
	c.acks(1)
	if n := b.server.Topics.Retained.Len(); b.Stats().Retained != 1 || n > len("$SYS topics of mochi's start") {
		t.Fatalf("%d retained, stats %+v", n, b.Stats())
	}
}

func TestWillIsTaken(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	c := dial(t, b)
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2 | 4 | 1<<3, 0, 60}, str("c")...)
	body = append(append(body, str("vehicles/V1/telemetry")...), str("gone")...)
	c.send(frame(0x10, body))
	c.packet()
	c.Close()
	if got := sink.await(1)[0]; got.payload != "gone" || got.key != "V1" {
		t.Fatalf("taken %+v", got)
	}
}

func TestMalformedPacketsCostTheirConnectionOnly(t *testing.T) {
	sink := newHeldSink()
	b, stop := start(t, Options{Sink: sink})
	healthy := connect(t, b, "healthy")
	bad := map[string][]byte{
		"no connect first":       publish("vehicles/V1/telemetry", 1, 1, "{}"),
		"garbage":                []byte("GET / HTTP/1.1\r\n\r\n"),
		"length never ends":      {0x10, 0xff, 0xff, 0xff, 0xff, 0xff},
		"reserved packet type":   {0xf0, 0},
		"connect without a body": {0x10, 0},
	}
	for _, p := range bad {
		c := dial(t, b)
		c.send(p)
		c.closed()
	}
	after := map[string][]byte{
		"packet id 0":          publish("vehicles/V1/telemetry", 1, 0, "{}"),
		"wildcard in a topic":  publish("vehicles/+/telemetry", 1, 1, "{}"),
		"topic not UTF-8":      publish("vehicles/\xff/telemetry", 1, 1, "{}"),
		"topic beyond the end": {0x32, 3, 0xff, 0xff, 'a'},
		"second connect":       frame(0x10, append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60}, str("x")...)),
		"empty topic":          publish("", 1, 1, "{}"),
	}
	for name, p := range after {
		c := connect(t, b, strings.ReplaceAll(name, " ", ""))
		c.send(p)
		c.closed()
	}
	healthy.ping()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if s := b.Stats(); s.Taken != 0 || s.RefusedProtocol < uint64(len(after)) {
		t.Fatalf("stats %+v", s)
	}
}

func TestSilentProbeIsNoError(t *testing.T) {
	b, stop := start(t, Options{Sink: newHeldSink()})
	dial(t, b).Close()
	connect(t, b, "c").ping()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if s := b.Stats(); s.RefusedProtocol != 0 || s.Connections != 0 {
		t.Fatalf("stats %+v", s)
	}
}

func TestTooManyClients(t *testing.T) {
	b, _ := start(t, Options{Sink: newHeldSink(), MaxClients: 1})
	c := connect(t, b, "c")
	dial(t, b).closed()
	c.ping()
	if got := b.Stats().RefusedClients; got != 1 {
		t.Fatalf("%d refused", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	sink := newHeldSink()
	cases := []struct {
		opts Options
		want string
	}{
		{Options{Listen: "127.0.0.1:0"}, "no sink"},
		{Options{Sink: sink, Listen: "0.0.0.0:1883"}, "loopback"},
		{Options{Sink: sink, Listen: ":1883"}, "loopback"},
		{Options{Sink: sink, Listen: "1883"}, `"1883"`},
		{Options{Sink: sink, Listen: "127.0.0.1:0", Window: 70000}, "70000"},
		{Options{Sink: sink, Listen: "127.0.0.1:0", Topics: []Topic{{Filter: "a+/b", Codec: "json", Types: 1}}}, "a+/b"},
		{Options{Sink: sink, Listen: "127.0.0.1:0", Topics: []Topic{{Filter: "#/b", Codec: "json", Types: 1}}}, "#/b"},
		{Options{Sink: sink, Listen: "127.0.0.1:0", Topics: []Topic{{Filter: "a", Codec: "json"}}}, "no event type"},
		{Options{Sink: sink, Listen: "127.0.0.1:0", Topics: []Topic{{Filter: "a", Types: 1}}}, `unknown codec ""`},
	}
	for _, tc := range cases {
		if _, err := New(tc.opts); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("New(%q): error %v, expected one that says %q", tc.opts.Listen, err, tc.want)
		}
	}
}

func TestBusyPortIsToldFromOtherErrors(t *testing.T) {
	b, _ := start(t, Options{Sink: newHeldSink()})
	second, err := New(Options{Sink: newHeldSink(), Listen: b.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Listen(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("error %v, expected address in use", err)
	}
}
