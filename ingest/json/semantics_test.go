package json

import (
	"strings"
	"testing"

	"github.com/milepost-io/milepost/ingest"
)

// decoded decodes telemetry of these signals for a rule's test.
func decoded(t *testing.T, payload string) (*ingest.Event, string) {
	t.Helper()
	ev := new(ingest.Event)
	err := NewDecoder(ingest.BuiltinCatalogue()).Decode([]byte(payload), ev)
	return ev, reasonOf(t, err)
}

func TestS1AbsentTimeIsTold(t *testing.T) {
	if ev, reason := decoded(t, `{"type":"telemetry","time":null}`); reason != "" || ev.HasTime {
		t.Errorf("%+v, %s", ev, reason)
	}
	if ev, reason := decoded(t, `{"type":"telemetry","time":0}`); reason != "" || !ev.HasTime || ev.Time != 0 {
		t.Errorf("the time 0 is one: %+v, %s", ev, reason)
	}
}

func TestS2ClaimsOfAnyYearDecode(t *testing.T) {
	for _, year := range []string{"0001", "1970", "2014", "2026", "2099", "9999"} {
		if ev, reason := decoded(t, `{"type":"telemetry","time":"`+year+`-06-01T00:00:00Z"}`); reason != "" || !ev.HasTime {
			t.Errorf("%s: %s", year, reason)
		}
	}
}

func TestS5BootIsTextOrNumber(t *testing.T) {
	boots := map[uint64]string{}
	for _, boot := range []string{`"a"`, `"b"`, `17`, `18`, `""`} {
		ev, reason := decoded(t, `{"type":"telemetry","seq":3,"boot":`+boot+`}`)
		if reason != "" || !ev.HasSeq || ev.Seq != 3 || ev.Boot == 0 || boots[ev.Boot] != "" {
			t.Errorf("boot %s: %+v, %s", boot, ev, reason)
		}
		boots[ev.Boot] = boot
	}
	if ev, _ := decoded(t, `{"type":"telemetry","seq":3}`); ev.Boot != 0 {
		t.Errorf("no boot: %x", ev.Boot)
	}
}

func TestS6WhatIsLeftDecides(t *testing.T) {
	for signals, want := range map[string]string{
		``:                               "",
		`"warp":1`:                       "",
		`"soc":null`:                     "",
		`"soc":101`:                      ingest.ReasonRange,
		`"soc":101,"warp":1`:             ingest.ReasonRange,
		`"soc":101,"speed":null`:         ingest.ReasonRange,
		`"soc":101,"speed":501`:          ingest.ReasonRange,
		`"soc":101,"speed":0`:            "",
		`"soc":101,"mil":false`:          "",
		`"soc":101,"dtcs":[]`:            "",
		`"soc":101,"speed":"0"`:          ingest.ReasonValue,
		`"soc":50,"mil":0`:               ingest.ReasonValue,
		`"soc":50,"warp":"anything"`:     "",
		`"soc":50,"dtcs":["P0301",null]`: ingest.ReasonValue,
	} {
		if _, reason := decoded(t, `{"type":"telemetry","signals":{`+signals+`}}`); reason != want {
			t.Errorf("{%s}: %q, want %q", signals, reason, want)
		}
	}
}

func TestS6SentinelsAreDropped(t *testing.T) {
	cat, err := ingest.LoadCatalogue("user.yaml", []byte("signals:\n  - {name: speed, sentinels: [255, 254.5]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	d, ev := NewDecoder(cat), new(ingest.Event)
	if err := d.Decode([]byte(`{"type":"telemetry","signals":{"speed":254.5,"soc":50}}`), ev); err != nil || ev.OutOfRange != 1 || len(ev.Samples) != 1 {
		t.Errorf("%+v, %v", ev, err)
	}
	if err := d.Decode([]byte(`{"type":"telemetry","signals":{"speed":255}}`), ev); reasonOf(t, err) != ingest.ReasonRange {
		t.Errorf("a sentinel alone: %v", err)
	}
}

// A record that is not JSON, has no known type or a wrong member is told by the first of these.
func TestS6BrokenBeforeTypeBeforeMembers(t *testing.T) {
	for payload, want := range map[string]string{
		`{"vin":"?","time":"?","type":"alarm","x":`:           ingest.ReasonSyntax,
		`{"vin":"?","time":"?","type":"alarm"}`:               ingest.ReasonType,
		`{"vin":"?","time":"?","type":"telemetry"}`:           ingest.ReasonVIN,
		`{"type":"telemetry","time":"?","vin":"?"}`:           ingest.ReasonTime,
		`{"type":"telemetry","signals":{"soc":101},"seq":-1}`: ingest.ReasonValue,
	} {
		if _, reason := decoded(t, payload); reason != want {
			t.Errorf("%s: %q, want %q", payload, reason, want)
		}
	}
}

func TestS8UnknownZoneIsRefused(t *testing.T) {
	for zone, want := range map[string]string{
		`"Asia/Shanghai"`: "", `"UTC"`: "", `null`: "", `"Asia/Peking"`: ingest.ReasonTimezone, `""`: ingest.ReasonTimezone, `8`: ingest.ReasonValue,
	} {
		if _, reason := decoded(t, `{"type":"vehicle","profile":{"timezone":`+zone+`}}`); reason != want {
			t.Errorf("timezone %s: %q, want %q", zone, reason, want)
		}
	}
}

// S10: a fact of an unexpected type is the condition's matter.
func TestS10FactsOfAnyTypeAreKept(t *testing.T) {
	const profile = `{"model":5,"powertrain":true,"doors":[3,5],"line":{"of":"business"}}`
	ev, reason := decoded(t, `{"type":"vehicle","profile":`+profile+`}`)
	if reason != "" || string(ev.Vehicle.Profile) != profile {
		t.Errorf("%q, %s", ev.Vehicle, reason)
	}
}

func TestS19EmptySetIsASample(t *testing.T) {
	ev, reason := decoded(t, `{"type":"telemetry","signals":{"dtcs":[]}}`)
	if reason != "" || len(ev.Sets) != 1 || len(ev.Sets[0].Codes) != 0 {
		t.Errorf("%+v, %s", ev, reason)
	}
	// A set that is too large is no full set any more: it is dropped, not cut.
	codes := strings.Repeat(`"P0301",`, MaxCodes)
	if ev, reason = decoded(t, `{"type":"telemetry","signals":{"soc":1,"dtcs":[`+codes+`"P0302"]}}`); reason != "" || len(ev.Sets) != 0 || ev.OutOfRange != 1 {
		t.Errorf("%d sets, %s", len(ev.Sets), reason)
	}
	if ev, reason = decoded(t, `{"type":"telemetry","signals":{"dtcs":[`+strings.TrimSuffix(codes, ",")+`]}}`); reason != "" || len(ev.Sets[0].Codes) != MaxCodes {
		t.Errorf("%+v, %s", ev, reason)
	}
}

func TestS33ZeroIsAnOdometer(t *testing.T) {
	ev, reason := decoded(t, `{"type":"service","odometer":0,"engine_hours":null}`)
	if reason != "" || ev.Service.Odometer == nil || *ev.Service.Odometer != 0 || ev.Service.EngineHours != nil {
		t.Errorf("%+v, %s", ev.Service, reason)
	}
}

// What is kept of an event shares nothing with the payload.
func TestTypedEventsOutliveThePayload(t *testing.T) {
	d, ev := NewDecoder(ingest.BuiltinCatalogue()), new(ingest.Event)
	for _, text := range []string{
		`{"type":"vehicle","profile":{"model":"E5"}}`,
		`{"type":"party","id":"O7","name":"Li","channels":{"app":"u"},"hours":{"mon":"8"}}`,
		`{"type":"service","items":["engine-oil"],"order":"RO"}`,
		`{"type":"feedback","action":"booked","note":"n"}`,
	} {
		p := []byte(text)
		if err := d.Decode(p, ev); err != nil {
			t.Fatal(err)
		}
		kept := *ev
		var before strings.Builder
		dumpJSON(&before, []any{kept.Vehicle, kept.PartyRecord, kept.Service, kept.Feedback})
		clear(p)
		if err := d.Decode([]byte(typicalEvent), ev); err != nil {
			t.Fatal(err)
		}
		var after strings.Builder
		dumpJSON(&after, []any{kept.Vehicle, kept.PartyRecord, kept.Service, kept.Feedback})
		if before.String() != after.String() {
			t.Errorf("was %s, is %s", before.String(), after.String())
		}
	}
}
