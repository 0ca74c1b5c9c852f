package crash

import (
	"cmp"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/deploy/demo"
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/fleet"
	"github.com/milepost-io/milepost/rules"
)

// step is one thing that happens to the engine from outside.
type step struct {
	at   int64 // Unix ms
	kind stepKind
	recs []ingest.Record   // taken in one call (take)
	set  *rules.Activation // put in force (reload)
	mood mood              // of the receivers (weather)
}

type stepKind uint8

const (
	take    stepKind = iota
	quiet            // take, when everything before has come to rest: what concerns two stages at once
	reload           // likewise
	weather          // the receivers change
	cut              // the power fails
)

// days a script lasts.
const days = 20

var begin = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// writeScript makes a story of some cars, most of them troubled, and of those who run the engine.
func writeScript(t *testing.T, rng *rand.Rand, sets []*rules.Activation) []step {
	t.Helper()
	var out []step
	f, err := fleet.New(fleet.Config{Vehicles: 5, Seed: rng.Uint64(), Start: begin, Every: 8 * time.Hour, Story: true})
	if err != nil {
		t.Fatal(err)
	}
	end := begin.AddDate(0, 0, days)
	for e := f.Next(); e.At.Before(end); e = f.Next() {
		s := takeStep(e.At.UnixMilli(), record(e.Key, e.Type, string(e.Payload)))
		if e.Party {
			s.kind = quiet
		}
		out = append(out, s)
	}
	for i := range 6 {
		out = append(out, troubled(rng, i)...)
	}
	for range 5 {
		out = append(out, step{at: moment(rng), kind: reload, set: sets[rng.IntN(len(sets))]})
	}
	for range 12 {
		out = append(out, step{at: moment(rng), kind: weather, mood: mood(rng.IntN(int(moods)))})
	}
	slices.SortStableFunc(out, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	return disturb(rng, out)
}

func moment(rng *rand.Rand) int64 {
	return begin.UnixMilli() + rng.Int64N(days*24*3600*1000)
}

func record(key string, typ ingest.Type, payload string) ingest.Record {
	return ingest.Record{
		Key: []byte(key), Party: typ == ingest.Party, Types: ingest.TypeSet(typ), Source: "mqtt",
		Topic: "sim/" + key, Codec: "json", Payload: []byte(payload),
	}
}

func takeStep(at int64, recs ...ingest.Record) step { return step{at: at, recs: recs} }

// troubled is the life of a car that overheats, leaks, changes hands and visits workshops far more often
// than any car should.
func troubled(rng *rand.Rand, i int) []step {
	vin := fmt.Sprintf("SIM%014d", i)
	owner := func() string { return fmt.Sprintf("S-%d", rng.IntN(4)) }
	at := begin.UnixMilli() + rng.Int64N(3600_000)
	profile := func() step {
		return takeStep(at, record(vin, ingest.Vehicle, fmt.Sprintf(
			`{"type":"vehicle","vin":%q,"profile":{"powertrain":"ice","in_service":"2024-02-01","dealer":"D10%d","owner":%q,"timezone":"Asia/Shanghai"}}`,
			vin, 1+rng.IntN(2), owner())))
	}
	out := []step{profile()}
	odo, seq := 8000+float64(rng.IntN(1500)), 0
	hot, flat := false, false
	for at < begin.AddDate(0, 0, days).UnixMilli() {
		at += int64(60_000 + rng.IntN(20*3600_000))
		switch rng.IntN(30) {
		case 0:
			out = append(out, profile())
			continue
		case 1:
			out = append(out, takeStep(at, record(vin, ingest.Service, fmt.Sprintf(
				`{"type":"service","vin":%q,"time":%q,"odometer":%.0f,"items":["engine-oil"],"dealer":"D101","order":"R%d"}`, vin, stamp(at), odo, at))))
			continue
		case 2:
			out = append(out, takeStep(at, record(vin, ingest.Feedback, fmt.Sprintf(
				`{"type":"feedback","vin":%q,"time":%q,"by":"owner","action":"booked"}`, vin, stamp(at)))))
			continue
		case 3:
			o := owner()
			out = append(out, step{at: at, kind: quiet, recs: []ingest.Record{record(o, ingest.Party, fmt.Sprintf(
				`{"type":"party","id":%q,"role":"owner","language":"en","consent":{"service":%t}}`, o, rng.IntN(2) == 0))}})
			continue
		case 4:
			out = append(out, takeStep(at, record(vin, ingest.Telemetry, `{"type":"telemetry","signals":{"odometer":1e999}}`)))
			continue
		}
		odo += float64(rng.IntN(400))
		if rng.IntN(4) == 0 {
			hot = !hot
		}
		if rng.IntN(5) == 0 {
			flat = !flat
		}
		// Two samples a minute apart, for what has to last; in one request or in two.
		a, b := sample(vin, at, seq, odo, hot, flat), sample(vin, at+60_000, seq+1, odo+1, hot, flat)
		seq += 2
		if rng.IntN(2) == 0 {
			out = append(out, takeStep(at+60_000, a, b))
		} else {
			out = append(out, takeStep(at, a), takeStep(at+60_000, b))
		}
	}
	return out
}

func sample(vin string, at int64, seq int, odo float64, hot, flat bool) ingest.Record {
	coolant, tyre := 90, 230
	if hot {
		coolant = 121
	}
	if flat {
		tyre = 150
	}
	return record(vin, ingest.Telemetry, fmt.Sprintf(
		`{"type":"telemetry","vin":%q,"time":%q,"seq":%d,"boot":1,"signals":{"odometer":%.1f,"coolant_temp":%d,"speed":50,"tire_pressure_fl":%d,"tire_pressure_fr":230,"tire_pressure_rl":230,"tire_pressure_rr":230}}`,
		vin, stamp(at), seq, odo, coolant, tyre))
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// disturb repeats, delays, swaps and damages what is taken in, and cuts the power.
func disturb(rng *rand.Rand, in []step) []step {
	var out []step
	for _, s := range in {
		if s.kind == take {
			switch rng.IntN(40) {
			case 0:
				out = append(out, s) // sent twice
			case 1:
				late := s
				late.at += rng.Int64N(3 * 24 * 3600_000)
				out = append(out, late)
				continue
			case 2:
				late := s
				late.at += rng.Int64N(3600_000)
				out = append(out, late) // and on time too
			case 3:
				bad := s.recs[0]
				bad.Payload = bad.Payload[:rng.IntN(len(bad.Payload))]
				out = append(out, takeStep(s.at, bad))
			case 4:
				wrong := s.recs[0]
				wrong.Payload = []byte(strings.Replace(string(wrong.Payload), `"time":"20`, []string{`"time":"19`, `"time":"21`}[rng.IntN(2)], 1))
				out = append(out, takeStep(s.at, wrong))
			}
		}
		out = append(out, s)
	}
	for range 3 {
		out = append(out, step{at: moment(rng), kind: cut})
	}
	slices.SortStableFunc(out, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	return out
}

// The endpoints of every rule set: the owners', the dealers', and one that gets everything.
const (
	toOwner  = "owner"
	toDealer = "dealer"
	toAll    = "feed"
)

// ruleSets are the demo's rules and two edits of them.
func ruleSets(t *testing.T) []*rules.Activation {
	t.Helper()
	base := rules.Activation{
		Zone: "Asia/Shanghai", Source: "sim",
		Endpoints: []rules.Endpoint{{Name: toOwner, Owner: true}, {Name: toDealer, Dealer: true}, {Name: toAll}},
	}
	names, err := fs.Glob(demo.Rules, demo.RulesDir+"/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no rules of the demo: %v", err)
	}
	for _, name := range names {
		b, err := demo.Rules.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		base.Files = append(base.Files, rules.File{Name: name[len(demo.RulesDir)+1:], Content: string(b)})
	}
	return []*rules.Activation{
		&base,
		edit(t, &base, "coolant_temp > 115", "coolant_temp > 112", "group: {wait: 12h}", "group: {wait: 10m}"),
		edit(t, &base, "tire_pressure_fl < 165", "tire_pressure_fl < 140", "every: {km: 10000, months: 12}", "every: {km: 9000, months: 12}"),
	}
}

// edit is a rule set with texts replaced, in pairs of old and new.
func edit(t *testing.T, a *rules.Activation, texts ...string) *rules.Activation {
	t.Helper()
	out := *a
	out.Files = slices.Clone(a.Files)
	for i := 0; i < len(texts); i += 2 {
		found := false
		for f := range out.Files {
			c := &out.Files[f].Content
			found = found || strings.Contains(*c, texts[i])
			*c = strings.ReplaceAll(*c, texts[i], texts[i+1])
		}
		if !found {
			t.Fatalf("no rule file says %q", texts[i])
		}
	}
	return &out
}
