package notify_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/ingest"
	ingestjson "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// pipeline is both stages: events go into the vehicles' machine, entries come out of the owners'.
type pipeline struct {
	t        *testing.T
	vehicles *state.Machine
	owners   *state.Machine
	got      []*notify.Entry
}

const pipelineRules = `
policy: {group: {wait: 0s}}
plans:
  - id: ice
    anchor: plan
    remind: {soon: {km: 1000}, overdue: {km: 500}}
    items:
      - id: engine-oil
        title: {en: Engine oil}
        every: {km: 10000}
rules:
  - id: hot
    title: {en: Too hot}
    when: coolant_temp > 115
    until: coolant_temp < 105
    severity: critical
    message: {owner: {en: "Stop: {{.coolant_temp}} °C."}}
`

func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	vehicles, err := rules.NewStep(rules.StepOptions{Decoders: func(c *ingest.Catalogue) map[string]ingest.Decoder {
		return map[string]ingest.Decoder{"json": ingestjson.NewDecoder(c)}
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := &pipeline{t: t}
	p.vehicles = p.machine(state.MachineOptions{Step: vehicles, Stage: log.Events})
	p.owners = p.machine(state.MachineOptions{Step: notify.NewStep(notify.StepOptions{Decoder: ingestjson.NewDecoder(ingest.BuiltinCatalogue())}), Stage: log.Notices})
	a := mustJSON(t, rules.Activation{
		Number: 1, Version: "sha256:1", Source: "/test", Files: []rules.File{{Name: "r.yaml", Content: pipelineRules}},
		Endpoints: []rules.Endpoint{{Name: "app", Owner: true}, {Name: "crm", Dealer: true}},
	})
	p.apply(log.Record{Kind: log.Control, Payload: a})
	if err := p.owners.Apply(p.owners.Position(), &log.Record{Kind: log.Control, Payload: a}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pipeline) machine(o state.MachineOptions) *state.Machine {
	p.t.Helper()
	m, err := state.NewMachine(o)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// apply runs a record through the first stage, and what it hands over through the second.
func (p *pipeline) apply(r log.Record) {
	p.t.Helper()
	if err := p.vehicles.Apply(p.vehicles.Position(), &r); err != nil {
		p.t.Fatal(err)
	}
	for _, o := range p.vehicles.Outbound() {
		if err := p.owners.Apply(p.owners.Position(), &o.Record); err != nil {
			p.t.Fatal(err)
		}
		for _, op := range p.owners.RowOps() {
			if op.Space != state.RowOutbox || op.Delete {
				continue
			}
			e, err := notify.ParseEntry(op.Value)
			if err != nil {
				p.t.Fatal(err)
			}
			p.got = append(p.got, e)
		}
	}
}

func (p *pipeline) event(at int64, payload string) {
	p.t.Helper()
	p.apply(log.Record{
		Kind: log.Event, Arrival: at, Key: []byte("V1"), Codec: []byte("json"), Payload: []byte(payload),
		Types: uint32(ingest.TypeSet(ingest.Telemetry, ingest.Vehicle, ingest.Service)),
	})
}

func (p *pipeline) want(what string, lines ...string) {
	p.t.Helper()
	var got []string
	for _, e := range p.got {
		var env struct {
			Data struct {
				Silent bool
				Items  []struct{ ID, State string }
				Causes []struct{ Item, Rule string }
				Reason string
				Text   struct{ Body string }
			}
		}
		if err := json.Unmarshal(e.Body, &env); err != nil {
			p.t.Fatal(err)
		}
		s := e.Endpoint + " " + strings.TrimPrefix(e.Type, "milepost.")
		for _, i := range env.Data.Items {
			s += " " + i.ID + "=" + i.State
		}
		for _, c := range env.Data.Causes {
			s += " " + c.Item + c.Rule
		}
		if env.Data.Reason != "" {
			s += " " + env.Data.Reason
		}
		if env.Data.Silent {
			s += " silent"
		}
		if e.Endpoint == "app" && !env.Data.Silent {
			s += ": " + env.Data.Text.Body
		}
		got = append(got, s)
	}
	if !slices.Equal(got, lines) {
		p.t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
	p.got = nil
}

// The story a new user tries first, through both stages: soon once, due, done, quiet until the next soon.
func TestPipeline(t *testing.T) {
	p := newPipeline(t)
	at := start
	km := func(v float64) {
		t.Helper()
		at += day
		p.event(at, fmt.Sprintf(`{"type":"telemetry","vin":"V1","signals":{"odometer":%g}}`, v))
	}
	p.event(at, `{"type":"vehicle","vin":"V1","profile":{"plan":"ice","owner":"O1","dealer":"D1","language":"en"}}`)
	km(8900)
	p.want("8,900 km")
	km(9050)
	p.want("9,050 km", "app reminder.soon engine-oil=soon: Engine oil: 950 km left. Odometer 9,050 km, read 2026-03-03 08:00.", "crm lead.created engine-oil")
	km(9050)
	km(3)
	p.want("the same again, and an odometer of 3")
	km(10_020)
	p.want("10,020 km", "app reminder.due engine-oil=due: Engine oil: 20 km over. Odometer 10,020 km, read 2026-03-06 08:00.", "crm lead.updated engine-oil")
	at += day
	p.event(at, `{"type":"service","vin":"V1","items":["engine-oil"],"odometer":10050}`)
	p.want("service at 10,050 km", "app reminder.done engine-oil=due silent", "crm lead.closed serviced")
	for v := 11_000.0; v < 19_000; v += 1000 {
		km(v)
	}
	p.want("until 18,000 km")
	km(19_050)
	p.want("19,050 km", "app reminder.soon engine-oil=soon: Engine oil: 950 km left. Odometer 19,050 km, read 2026-03-16 08:00.", "crm lead.created engine-oil")

	at += day
	p.event(at, `{"type":"telemetry","vin":"V1","signals":{"coolant_temp":118}}`)
	p.want("118 °C", "app alert.firing: Stop: 118 °C.", "crm lead.updated engine-oil hot")
	at += minute
	p.event(at, `{"type":"telemetry","vin":"V1","signals":{"coolant_temp":90}}`)
	p.want("90 °C", "app alert.resolved silent")

	// A new owner takes over the lead without hearing of what was said before.
	at += minute
	p.event(at, `{"type":"vehicle","vin":"V1","profile":{"owner":"O2"}}`)
	p.want("a new owner")
	km(20_020)
	p.want("20,020 km", "app reminder.due engine-oil=due: Engine oil: 20 km over. Odometer 20,020 km, read 2026-03-18 08:02.", "crm lead.updated engine-oil")
}
