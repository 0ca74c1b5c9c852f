package json

import (
	"testing"

	"github.com/milepost-io/milepost/ingest"
)

func TestDecodeTypicalEvent(t *testing.T) {
	var ev ingest.Event
	d := NewDecoder(ingest.BuiltinCatalogue())
	if err := d.Decode([]byte(typicalEvent), &ev); err != nil {
		t.Fatal(err)
	}
	if string(ev.Key) != "LSVAA49J132000001" || ev.Type != ingest.Telemetry || len(ev.Samples) != 10 {
		t.Errorf("event %+v", ev)
	}
}
