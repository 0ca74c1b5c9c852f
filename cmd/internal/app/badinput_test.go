package app_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/ingest"
)

// badInput is a payload that is no event, or barely one, and what becomes of it.
type badInput struct {
	name string
	// topic is the last level of the MQTT topic; "" is telemetry.
	topic string
	// payload with VIN for the id of the topic.
	payload string
	// reason of the dead letter; "" means that it is applied.
	reason string
	// http is the status of a POST of the same bytes; 0 is 400 with the same reason.
	http int
	// records is how many records it makes, 0 is one; an array is split, each entry is its own.
	records int
}

const signals = `{"type":"telemetry","vin":"VIN","signals":`

// badInputs is the list of what must not stop the stream.
func badInputs() []badInput {
	return []badInput{
		// Not JSON.
		{name: "words", payload: `nonsense`, reason: "syntax"},
		{name: "truncated object", payload: signals + `{"odometer":1`, reason: "syntax"},
		{name: "truncated string", payload: `{"type":"telem`, reason: "syntax"},
		{name: "truncated escape", payload: `{"type":"telemetry\u00`, reason: "syntax"},
		{name: "one brace", payload: `{`, reason: "syntax"},
		{name: "trailing bytes", payload: signals + `{"odometer":1}}x`, reason: "syntax"},
		{name: "two objects", payload: signals + `{"odometer":1}} ` + signals + `{"odometer":2}}`, reason: "syntax"},
		{name: "trailing comma", payload: signals + `{"odometer":1,}}`, reason: "syntax"},
		{name: "single quotes", payload: `{'type':'telemetry'}`, reason: "syntax"},
		{name: "comment", payload: signals + `{"odometer":1}/* km */}`, reason: "syntax"},
		{name: "leading zero", payload: signals + `{"odometer":01}}`, reason: "syntax"},
		{name: "hexadecimal", payload: signals + `{"odometer":0x10}}`, reason: "syntax"},
		{name: "plus sign", payload: signals + `{"odometer":+1}}`, reason: "syntax"},
		{name: "NaN", payload: signals + `{"odometer":NaN}}`, reason: "syntax"},
		{name: "Infinity", payload: signals + `{"odometer":Infinity}}`, reason: "syntax"},
		{name: "-Infinity", payload: signals + `{"odometer":-Infinity}}`, reason: "syntax"},
		{name: "control character", payload: "{\"type\":\"tele\nmetry\"}", reason: "syntax"},
		{name: "truncated array", payload: `[` + signals + `{"odometer":1}},`, reason: "syntax"},
		{name: "binary", payload: "\x00\x01\x02\x03", reason: "syntax"},

		// Text that is none.
		{name: "bad UTF-8 in a value", payload: "{\"type\":\"telemetry\",\"x\":\"\xff\xfe\",\"signals\":{\"odometer\":1}}", reason: "utf8"},
		{name: "bad UTF-8 in a key", payload: "{\"type\":\"telemetry\",\"\xc3\x28\":1,\"signals\":{\"odometer\":1}}", reason: "utf8"},
		{name: "half a surrogate", payload: `{"type":"telemetry","x":"\ud800","signals":{"odometer":1}}`, reason: "utf8"},

		// Nothing, too much, too deep.
		{name: "empty", payload: ``, reason: "empty"},
		{name: "blank", payload: " \t\n", reason: "empty"},
		{name: "array of nothing", payload: `[]`, reason: "value", http: http.StatusBadRequest},
		{name: "100,000 nested arrays", payload: strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), reason: "depth"},
		{name: "100,000 nested objects", payload: `{"type":"telemetry","x":` + strings.Repeat(`{"a":`, 100_000) + `1` + strings.Repeat(`}`, 100_000) + `}`, reason: "depth"},
		{name: "10 MB", payload: signals + `{"odometer":1},"x":"` + strings.Repeat("x", 10_000_000) + `"}`, reason: "oversize"},
		{name: "10 MB of zeros", payload: strings.Repeat("\x00", 10_000_000), reason: "oversize", http: http.StatusBadRequest},

		// The same twice.
		{name: "type twice", payload: `{"type":"telemetry","type":"telemetry","vin":"VIN","signals":{"odometer":1}}`, reason: "duplicate_key"},
		{name: "signal twice", payload: signals + `{"odometer":1,"odometer":2}}`, reason: "duplicate_key"},
		{name: "escaped twice", payload: `{"type":"telemetry","vin":"VIN","\u0076in":"VIN","signals":{"odometer":1}}`, reason: "duplicate_key"},
		{name: "twice in an unknown member", payload: `{"type":"telemetry","vin":"VIN","x":{"a":1,"a":2},"signals":{"odometer":1}}`, reason: "duplicate_key"},

		// Whom and what it is about.
		{name: "no type", payload: `{"vin":"VIN","signals":{"odometer":1}}`, reason: "type"},
		{name: "unknown type", payload: `{"type":"telemetri","vin":"VIN","signals":{"odometer":1}}`, reason: "type"},
		{name: "type is a number", payload: `{"type":1,"vin":"VIN","signals":{"odometer":1}}`, reason: "type"},
		{name: "erase from a car", payload: `{"type":"erase","vin":"VIN"}`, reason: "not_allowed"},
		{name: "profile on the telemetry topic", payload: `{"type":"vehicle","vin":"VIN","profile":{"model":"E5"}}`, reason: "not_allowed", http: http.StatusAccepted},
		{name: "another VIN than the topic's", payload: `{"type":"telemetry","vin":"OTHER","signals":{"odometer":1}}`, reason: "vin", http: http.StatusAccepted},
		{name: "VIN with a space", payload: `{"type":"telemetry","vin":"V 1","signals":{"odometer":1}}`, reason: "vin"},
		{name: "VIN empty", payload: `{"type":"telemetry","vin":"","signals":{"odometer":1}}`, reason: "vin"},
		{name: "VIN of 65 letters", payload: `{"type":"telemetry","vin":"` + strings.Repeat("V", 65) + `","signals":{"odometer":1}}`, reason: "vin"},
		{name: "VIN is a number", payload: `{"type":"telemetry","vin":17,"signals":{"odometer":1}}`, reason: "vin"},

		// Values.
		{name: "1e999", payload: signals + `{"odometer":1e999}}`, reason: "range"},
		{name: "negative odometer", payload: signals + `{"odometer":-1}}`, reason: "range"},
		{name: "all out of range", payload: signals + `{"odometer":1e8,"speed":501}}`, reason: "range"},
		{name: "odometer in words", payload: signals + `{"odometer":"far"}}`, reason: "value"},
		{name: "odometer in quotes", payload: signals + `{"odometer":"19987.4"}}`, reason: "value"},
		{name: "odometer is an object", payload: signals + `{"odometer":{"value":1}}}`, reason: "value"},
		{name: "switch is a number", payload: signals + `{"ignition":1}}`, reason: "value"},
		{name: "codes are a word", payload: signals + `{"dtcs":"P0301"}}`, reason: "value"},
		{name: "codes are numbers", payload: signals + `{"dtcs":[301]}}`, reason: "value"},
		{name: "signals are a list", payload: signals + `[1]}`, reason: "value"},
		{name: "negative seq", payload: `{"type":"telemetry","vin":"VIN","seq":-1,"signals":{"odometer":1}}`, reason: "value"},
		{name: "time in words", payload: `{"type":"telemetry","vin":"VIN","time":"yesterday","signals":{"odometer":1}}`, reason: "time"},
		{name: "month 13", payload: `{"type":"telemetry","vin":"VIN","time":"2026-13-01T00:00:00Z","signals":{"odometer":1}}`, reason: "time"},
		{name: "time is true", payload: `{"type":"telemetry","vin":"VIN","time":true,"signals":{"odometer":1}}`, reason: "time"},
		{name: "time beyond the calendar", payload: `{"type":"telemetry","vin":"VIN","time":1e30,"signals":{"odometer":1}}`, reason: "time"},

		// Other types.
		{name: "zone that is none", topic: "profile", payload: `{"type":"vehicle","vin":"VIN","profile":{"timezone":"Asia/Shangai"}}`, reason: "timezone"},
		{name: "profile is a list", topic: "profile", payload: `{"type":"vehicle","vin":"VIN","profile":[]}`, reason: "value"},
		{name: "date that is none", topic: "profile", payload: `{"type":"vehicle","vin":"VIN","profile":{"in_service":"2026-02-30"}}`, reason: "value"},
		{name: "service items are a word", topic: "service", payload: `{"type":"service","vin":"VIN","items":"engine-oil"}`, reason: "value"},
		{name: "reaction that is none", topic: "feedback", payload: `{"type":"feedback","vin":"VIN","about":"a_1","action":"shrugged"}`, reason: "value"},
		{name: "service of 2099", topic: "service", payload: `{"type":"service","vin":"VIN","time":"2099-01-01T00:00:00Z","items":["engine-oil"]}`, reason: "time", http: http.StatusAccepted},

		// An array is its entries: the good ones are taken, but a request is taken whole or not at all.
		{name: "one bad in three", payload: `[` + signals + `{"odometer":1}},7,` + signals + `{"speed":1}}]`, reason: "value", records: 3},

		// Odd, but events.
		{name: "clock of 1970", payload: `{"type":"telemetry","vin":"VIN","time":0,"signals":{"odometer":1}}`, http: http.StatusAccepted},
		{name: "clock of 1970 in words", payload: `{"type":"telemetry","vin":"VIN","time":"1970-01-01T00:00:05Z","signals":{"odometer":1}}`, http: http.StatusAccepted},
		{name: "clock of 2099", payload: `{"type":"telemetry","vin":"VIN","time":"2099-01-01T00:00:00Z","signals":{"odometer":1}}`, http: http.StatusAccepted},
		{name: "one of two out of range", payload: signals + `{"odometer":1,"speed":900}}`, http: http.StatusAccepted},
		{name: "unknown signals alone", payload: signals + `{"flux":88}}`, http: http.StatusAccepted},
		{name: "null", payload: signals + `{"odometer":null}}`, http: http.StatusAccepted},
		{name: "no signals", payload: signals + `{}}`, http: http.StatusAccepted},
		{name: "no VIN but the topic's", payload: `{"type":"telemetry","signals":{"odometer":1}}`, http: http.StatusBadRequest},
	}
}

// clocks is how many of badInputs carry a clock that is not believed (S2).
const clocks = 3

// TestBadInputOverMQTT: everything is acknowledged, ends as exactly one of the four outcomes (E5), lies
// among the dead letters with its reason and bytes where it is no event, and neighbours are served.
func TestBadInputOverMQTT(t *testing.T) {
	e := startEngine(t, "")
	c := e.connect(t, "bad-input")
	cases := badInputs()
	received, quarantined := 0, 0
	for i, x := range cases {
		vin := fmt.Sprintf("BAD%03d", i)
		c.publish(t, "vehicles/"+vin+"/"+x.topicName(), []byte(x.body(vin)))
		c.publish(t, "vehicles/NEIGHBOUR/telemetry", fmt.Appendf(nil, `{"type":"telemetry","vin":"NEIGHBOUR","signals":{"odometer":%d}}`, i+1))
		received += max(1, x.records) + 1
		if x.reason != "" {
			quarantined++
		}
	}
	st := e.settled(t, uint64(received))
	k := st.Counters
	if k.Received != k.Applied+k.Duplicate+k.Late+k.Quarantined || k.Received != uint64(received) || k.Quarantined != uint64(quarantined) {
		t.Errorf("counters %+v, want %d received and %d quarantined", k, received, quarantined)
	}
	if got := st.Counts["clock:untrusted"]; got != clocks {
		t.Errorf("%d clocks not believed, want %d", got, clocks)
	}
	byKey := map[string]app.DeadLetter{}
	for _, d := range e.deadLetters(t) {
		byKey[d.Topic] = d
	}
	for i, x := range cases {
		vin := fmt.Sprintf("BAD%03d", i)
		d, dead := byKey["vehicles/"+vin+"/"+x.topicName()]
		switch {
		case x.reason == "" && dead:
			t.Errorf("%s: dead with %s (%s), want applied", x.name, d.Reason, d.Detail)
		case x.reason != "" && d.Reason != x.reason:
			t.Errorf("%s: reason %q (%s), want %q", x.name, d.Reason, d.Detail, x.reason)
		case x.reason != "":
			x.checkBytes(t, vin, &d)
		}
	}
	if len(byKey) != quarantined {
		t.Errorf("%d dead letters, want %d", len(byKey), quarantined)
	}
	if km := e.odometer(t, "NEIGHBOUR"); km != float64(len(cases)) {
		t.Errorf("the neighbour stands at %v km, want %d", km, len(cases))
	}
}

func (x *badInput) topicName() string {
	if x.topic == "" {
		return "telemetry"
	}
	return x.topic
}

func (x *badInput) body(vin string) string { return strings.ReplaceAll(x.payload, "VIN", vin) }

// checkBytes: a dead letter keeps what came; of more than 1 MiB the beginning, the length and the hash.
func (x *badInput) checkBytes(t *testing.T, vin string, d *app.DeadLetter) {
	t.Helper()
	want := []byte(x.body(vin))
	if x.records > 0 {
		want = []byte("7")
	}
	if d.Size != int64(len(want)) {
		t.Errorf("%s: size %d, want %d", x.name, d.Size, len(want))
	}
	if len(want) > ingest.MaxPayload {
		sum := sha256.Sum256(want)
		if !strings.Contains(d.Detail, hex.EncodeToString(sum[:])) {
			t.Errorf("%s: detail %q lacks the hash", x.name, d.Detail)
		}
		want = want[:ingest.OversizeKeep]
	}
	if !bytes.Equal(d.Bytes, want) {
		t.Errorf("%s: %d bytes kept differ from the %d that came", x.name, len(d.Bytes), len(want))
	}
	if d.Source != "mqtt" || d.Key != vin || d.At.IsZero() || d.ID == "" {
		t.Errorf("%s: %+v", x.name, d)
	}
}

// TestBadInputOverHTTP: who posts is told what is wrong and nothing of the request is taken, so that the
// counters of E5 do not move.
func TestBadInputOverHTTP(t *testing.T) {
	e := startEngine(t, "")
	accepted, refused := 0, 0
	for i, x := range badInputs() {
		want := x.http
		if want == 0 {
			want = http.StatusBadRequest
		}
		status, body := e.post(t, x.body(fmt.Sprintf("BAD%03d", i)))
		if status != want {
			t.Errorf("%s: status %d, want %d: %s", x.name, status, want, body)
		}
		if status == http.StatusAccepted {
			accepted++
			continue
		}
		refused++
		var p struct{ Detail, Reason string }
		if err := json.Unmarshal(body, &p); err != nil || p.Detail == "" {
			t.Errorf("%s: the answer does not say what is wrong: %s", x.name, body)
		}
		if x.http == 0 && p.Reason != x.reason {
			t.Errorf("%s: reason %q, want %q: %s", x.name, p.Reason, x.reason, body)
		}
	}
	st := e.settled(t, uint64(accepted))
	if st.Counters.Received != uint64(accepted) {
		t.Errorf("%d received, want the %d that were accepted", st.Counters.Received, accepted)
	}
	for _, s := range st.Sources {
		if s.Name == "http" && s.Refused != uint64(refused) {
			t.Errorf("%d requests counted as refused, want %d", s.Refused, refused)
		}
	}
}

// TestOversizeDoesNotGrow: a stream of 10 MB payloads leaves no memory behind.
func TestOversizeDoesNotGrow(t *testing.T) {
	e := startEngine(t, "")
	c := e.connect(t, "large")
	large := bytes.Repeat([]byte("x"), 10_000_000)
	const first, more = 3, 12
	for range first {
		c.publish(t, "vehicles/V1/telemetry", large)
	}
	before := heap()
	for range more {
		c.publish(t, "vehicles/V1/telemetry", large)
	}
	e.settled(t, first+more)
	if grown := int64(heap()) - int64(before); grown > 24<<20 {
		t.Errorf("%d payloads of 10 MB left %d MiB behind", more, grown>>20)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestPacketTooLarge: over 16 MiB the connection is closed and counted; the next one works.
func TestPacketTooLarge(t *testing.T) {
	e := startEngine(t, "")
	c := e.connect(t, "huge")
	tok := c.Publish("vehicles/V1/telemetry", 1, false, make([]byte, ingest.MaxPacket+1))
	e.until(t, "the connection is closed", func() bool { return !c.IsConnectionOpen() })
	if tok.WaitTimeout(0) && tok.Error() == nil {
		t.Error("acknowledged")
	}
	e.connect(t, "next").publish(t, "vehicles/V1/telemetry", []byte(`{"type":"telemetry","signals":{"odometer":5}}`))
	st := e.settled(t, 1)
	for _, s := range st.Sources {
		if s.Name == "mqtt" && s.Refused != 1 {
			t.Errorf("%d refused, want 1", s.Refused)
		}
	}
}
