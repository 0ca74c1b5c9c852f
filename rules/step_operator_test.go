package rules_test

import (
	"strings"
	"testing"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state/log"
)

// An operator's decision that a source hands in, or that is none, is quarantined and changes nothing.
func TestDecisionRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*log.Record)
		want   string
	}{
		"from a source":    {func(r *log.Record) { r.Types = uint32(ingest.TypeSet(ingest.Telemetry, ingest.Feedback)) }, ingest.ReasonNotAllowed},
		"not JSON":         {func(r *log.Record) { r.Payload = []byte("7") }, ingest.ReasonSyntax},
		"no vehicle":       {func(r *log.Record) { r.Key = nil }, ingest.ReasonVIN},
		"beyond any car's": {func(r *log.Record) { r.Payload = []byte(`{"odometer_km":1e9}`) }, ingest.ReasonRange},
	} {
		h := newHarness(t)
		rec := rules.Decision{OdometerKM: 10}.Record("V1")
		c.change(&rec)
		got, err := h.record(rec)
		if err != nil || !strings.HasPrefix(got, "quarantined "+c.want+": ") {
			t.Errorf("%s: %q, %v; want it quarantined, %s", name, got, err, c.want)
		}
		if doc, _ := h.m.View([]byte("V1"), []byte("v")); doc != nil {
			t.Errorf("%s: it left a document of %d bytes", name, len(doc))
		}
	}
}
