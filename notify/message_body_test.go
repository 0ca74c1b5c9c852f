package notify_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
)

// TestBodies compares whole bodies with testdata; -rewrite writes them anew, to be read in the diff.
func TestBodies(t *testing.T) {
	km, dueKM, days, hours := 690.0, 10_000.0, 28, -3.0
	oil := rules.ItemRef{ID: "engine-oil", Alert: "a_oil", Level: "soon", Title: map[string]string{"en": "Engine oil & filter", "zh": "机油机滤"},
		RestKM: &km, DueKM: &dueKM, RestDays: &days, DueDate: "2026-03-29", Minutes: 40}
	pump := rules.ItemRef{ID: "pump", Alert: "a_pump", Level: "due", Title: map[string]string{"zh": "水泵"}, RestHours: &hours, Assumed: true}
	odo := 9310.0
	for _, lang := range []string{"en", "zh-CN"} {
		b := newBench(t, 0)
		b.partyEvent(`{"type":"party","id":"O1","name":"Li Lei","language":"` + lang + `","channels":{"sms":"+8613800000000"}}`)
		b.facts.OdometerKM, b.facts.OdometerAt = &odo, start+15*minute
		b.facts.History = []rules.ServiceRef{{Time: start - 300*day, Date: "2025-05-05", KM: &km, Order: "RO-1", Items: []string{"engine-oil"}}}
		b.facts.Declined = []string{"brake-fluid"}
		b.facts.Firing = []rules.Cause{{Rule: "weak-12v", Title: map[string]string{"en": "12 V battery is failing", "zh": "12V蓄电池老化"}, Since: start}}

		soon := reminder("r1", "soon", oil)
		soon.Evidence = []rules.Evidence{{Signal: "odometer", Value: odo, Time: start}}
		lead := leadEvent("created", "D1", "engine-oil")
		lead.Causes = append(lead.Causes, rules.Cause{Rule: "weak-12v", Title: b.facts.Firing[0].Title, Since: start})
		hot := firing("hot", "critical")
		hot.Text["zh"], hot.Title["zh"] = "停车!", "过热"
		hot.Evidence = []rules.Evidence{{Signal: "dtcs", Value: []string{"P0217"}, Time: start + 250}}
		b.facts.Lead = &rules.LeadRef{ID: "l_1", Causes: lead.Causes}
		b.events(items(oil, pump), soon, hot, lead)
		done := reminder("d1", "done", oil)
		over := resolved("hot")
		over.Reason = "not_applicable"
		b.events(items(pump), done, over)

		var got bytes.Buffer
		for _, e := range b.outbox() {
			if err := json.Indent(&got, e.Body, "", " "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
		}
		for _, k := range b.keys(state.RowView) {
			got.WriteString(k + " ")
			if err := json.Indent(&got, b.rows[state.RowView][k], "", " "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
		}
		golden(t, "bodies_"+lang+".golden", got.Bytes())
	}
}

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}
