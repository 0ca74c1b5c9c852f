package broker

import (
	"testing"

	"github.com/milepost-io/milepost/ingest/json"
)

// The defaults, with the real codec: arrays are split, what does not split stays whole.
func TestDefaultTopicsAndCodec(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink, Codecs: DefaultCodecs()})
	c := connect(t, b, "c")
	const one = `{"type":"telemetry","vin":"V1","signals":{"speed":1}}`
	for id, payload := range []string{one, "[" + one + "," + one + "]", "[" + one, "[]", ""} {
		c.send(publish("vehicles/V1/telemetry", 1, id+1, payload))
	}
	recs := sink.await(5)
	var got []string
	for _, r := range recs {
		if r.key != "V1" || r.codec != json.Name || r.types != telemetry {
			t.Errorf("record %+v", r)
		}
		got = append(got, r.payload)
	}
	want := []string{one, one, one, "[" + one, "[]", ""}
	if len(got) != len(want) {
		t.Fatalf("records %q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("record %d: %q, expected %q", i, got[i], want[i])
		}
	}
	sink.sync(nil, 0, 1, 2, 3, 4)
	c.acks(5)
}
