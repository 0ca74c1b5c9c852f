package notify_test

import (
	"testing"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// BenchmarkNotice is one reminder and one lead event of a vehicle that has a document: decide, render,
// write both entries, the views and the timeline. Its floor is the same notice without events.
func BenchmarkNotice(b *testing.B) {
	for _, c := range []struct {
		name string
		evs  []rules.Event
	}{
		{"floor", nil},
		{"reminder+lead", []rules.Event{reminder("r1", "soon", item("oil", "soon")), leadEvent("updated", "D1", "oil")}},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := newBench(&testing.T{}, 0)
			h.facts.NotOK = items(item("oil", "soon"))
			h.facts.Lead = &rules.LeadRef{ID: "l_1"}
			payload := mustJSON(h.t, rules.Notice{VIN: h.vin, Kind: "events", Events: c.evs, Facts: h.facts})
			done := []log.Record{}
			for _, e := range []notifyResult{{"app", "r1"}, {"crm", "l_updated"}} {
				done = append(done, log.Record{Kind: log.Result, Arrival: start, Key: []byte("O1"), Payload: mustJSON(h.t, delivered(e.endpoint, e.id))})
			}
			b.ReportAllocs()
			for b.Loop() {
				h.sent++
				h.now += 15 * day // no same_visit
				h.seen = nil
				h.apply(log.Record{Kind: log.Handover, Payload: state.AppendHandover(nil, &state.Handover{
					Offset: h.sent, Clock: h.now,
					Notices: []state.Notice{{Key: []byte("O1"), Sub: []byte("V1"), At: h.now, Payload: payload}},
				})})
				if c.evs != nil {
					h.apply(done[0])
					h.apply(done[1])
				}
			}
		})
	}
}

type notifyResult struct{ endpoint, id string }
