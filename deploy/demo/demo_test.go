package demo

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/fleet"
	codec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

func files(t *testing.T) []rules.File {
	t.Helper()
	entries, err := fs.ReadDir(Rules, RulesDir)
	if err != nil {
		t.Fatal(err)
	}
	var out []rules.File
	for _, e := range entries {
		content, err := fs.ReadFile(Rules, RulesDir+"/"+e.Name())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rules.File{Name: e.Name(), Content: string(content)})
	}
	return out
}

// The demo must load as it stands, in both languages.
func TestRulesLoad(t *testing.T) {
	p, err := rules.Load(files(t), ingest.BuiltinCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Rules) < 8 || len(p.Plans) != 4 {
		t.Fatalf("%d rules, %d plans", len(p.Rules), len(p.Plans))
	}
	for _, r := range p.Rules {
		if len(r.Title) != 2 {
			t.Errorf("rule %s: titles %v, expected en and zh", r.ID, r.Title)
		}
	}
	for _, plan := range p.Plans {
		for _, it := range plan.Items {
			if it.Title["en"] == "" || it.Title["zh"] == "" {
				t.Errorf("item %s of %s: titles %v, expected en and zh", it.ID, plan.ID, it.Title)
			}
		}
	}
}

// run puts a fleet through the vehicle step for some days and yields what leaves it.
func run(t *testing.T, cfg fleet.Config, days int, yield func(vin string, at time.Time, e *rules.Event)) (outcomes [4]uint64) {
	t.Helper()
	step, err := rules.NewStep(rules.StepOptions{Decoders: func(c *ingest.Catalogue) map[string]ingest.Decoder {
		return map[string]ingest.Decoder{codec.Name: codec.NewDecoder(c)}
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := state.NewMachine(state.MachineOptions{Step: step, Stage: log.Events})
	if err != nil {
		t.Fatal(err)
	}
	apply := func(rec log.Record) {
		for again := true; again; again = m.Overdue() {
			if err := m.Apply(m.Position(), &rec); err != nil {
				t.Fatal(err)
			}
			for _, o := range m.Outbound() {
				report(t, o, yield)
			}
			rec = log.Record{Kind: log.Tick, Arrival: rec.Arrival}
		}
	}
	_, _, activation, err := rules.BuildActivation(rules.Activation{Number: 1, Files: files(t), Zone: "Asia/Shanghai"})
	if err != nil {
		t.Fatal(err)
	}
	apply(log.Record{Kind: log.Control, Arrival: cfg.Start.UnixMilli(), Payload: activation})
	f, err := fleet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	end, tick := cfg.Start.AddDate(0, 0, days), cfg.Start
	for e := f.Next(); e.At.Before(end); e = f.Next() {
		for ; tick.Before(e.At); tick = tick.Add(time.Hour) {
			apply(log.Record{Kind: log.Tick, Arrival: tick.UnixMilli()})
		}
		if e.Party {
			continue // for the other stage
		}
		apply(log.Record{Kind: log.Event, Arrival: e.At.UnixMilli(), Key: []byte(e.Key), Types: uint32(ingest.TypeSet(e.Type)),
			Topic: []byte(e.Topic), Codec: []byte(codec.Name), Payload: e.Payload})
	}
	return m.Outcomes()
}

func report(t *testing.T, o state.Outbound, yield func(string, time.Time, *rules.Event)) {
	t.Helper()
	h, err := state.DecodeHandover(o.Record.Payload)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range h.Notices {
		var notice rules.Notice
		if err := json.Unmarshal(n.Payload, &notice); err != nil {
			t.Fatal(err)
		}
		for i := range notice.Events {
			e := &notice.Events[i]
			yield(notice.VIN, time.UnixMilli(e.Time).UTC(), e)
		}
	}
}

// Within the first three days, three seconds of the demo, there is a reminder, an alert on the road and a
// battery for the dealer; then the story goes on to its end.
func TestStoryPlays(t *testing.T) {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	first := map[string]time.Duration{}
	run(t, fleet.Config{Vehicles: 1, Seed: 1, Start: begin, Story: true}, 12, func(vin string, at time.Time, e *rules.Event) {
		name := vin[len(vin)-1:] + " " + strings.TrimPrefix(e.Type, "milepost.") + " " + e.Rule
		for _, it := range e.Items {
			name += it.ID
		}
		if _, seen := first[name]; !seen {
			first[name] = at.Sub(begin)
		}
	})
	t.Logf("%v", first)
	const day = 24 * time.Hour
	for name, by := range map[string]time.Duration{
		"1 reminder.soon engine-oil":        3 * day,
		"1 lead.created ":                   3 * day,
		"2 alert.firing coolant-overheat":   day / 2,
		"2 alert.resolved coolant-overheat": 3 * day,
		"3 alert.firing weak-12v":           2 * day,
		"3 alert.resolved weak-12v":         5 * day,
		"1 reminder.done engine-oil":        10 * day,
		"1 lead.closed ":                    10 * day,
	} {
		if at, ok := first[name]; !ok || at > by {
			t.Errorf("%s: seen %v after %s, expected within %s", name, ok, at, by)
		}
	}
}

// A fleet gives the console something to show and is not a storm: most cars are well on most days.
func TestFleetIsBelievable(t *testing.T) {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	const cars, days = 200, 40
	count := map[string]int{}
	outcomes := run(t, fleet.Config{Vehicles: cars, Seed: 1, Start: begin, Every: time.Hour}, days, func(_ string, _ time.Time, e *rules.Event) {
		count[strings.TrimPrefix(e.Type, "milepost.")]++
		if e.Rule != "" {
			count[e.Rule+strings.TrimPrefix(e.Type, "milepost.alert")]++
		}
	})
	t.Logf("%v; applied, duplicate, late, quarantined: %v", count, outcomes)
	if n := count["reminder.soon"]; n < cars/20 || n > cars {
		t.Errorf("%d times soon", n)
	}
	if count["reminder.done"] == 0 || count["lead.created"] == 0 || count["lead.closed"] == 0 {
		t.Errorf("no story came to its end: %v", count)
	}
	if n := count["alert.firing"]; n == 0 || n > cars*days/40 {
		t.Errorf("%d alerts", n)
	}
	if outcomes[1] == 0 || outcomes[2] == 0 || outcomes[3] > outcomes[0]/1000 {
		t.Errorf("applied, duplicate, late, quarantined: %v", outcomes)
	}
}
