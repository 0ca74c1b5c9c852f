package fleet

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

var begin = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func newFleet(t testing.TB, cfg Config) *Fleet {
	t.Helper()
	if cfg.Start.IsZero() {
		cfg.Start = begin
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// until yields the events that arrive before a time.
func until(f *Fleet, end time.Time) func(func(Event) bool) {
	return func(yield func(Event) bool) {
		for e := f.Next(); e.At.Before(end); e = f.Next() {
			if !yield(e) {
				return
			}
		}
	}
}

func digest(cfg Config, t *testing.T) string {
	h := sha256.New()
	for e := range until(newFleet(t, cfg), begin.Add(5*24*time.Hour)) {
		fmt.Fprintln(h, e.At.UnixMilli(), e.Topic, e.Key, e.Party, e.Type, string(e.Payload))
	}
	return string(h.Sum(nil))
}

func TestSameSeedSameBytes(t *testing.T) {
	a, b := digest(Config{Vehicles: 50, Seed: 7, Story: true}, t), digest(Config{Vehicles: 50, Seed: 7, Story: true}, t)
	if a != b {
		t.Fatal("the same seed gave two streams")
	}
	if a == digest(Config{Vehicles: 50, Seed: 8, Story: true}, t) {
		t.Fatal("two seeds gave the same stream")
	}
}

// What happens to a car does not depend on how many there are.
func TestCarsDoNotDependOnEachOther(t *testing.T) {
	of := func(vehicles int) (out []string) {
		for e := range until(newFleet(t, Config{Vehicles: vehicles, Seed: 3}), begin.Add(72*time.Hour)) {
			if e.Key == vin(1) {
				out = append(out, e.At.String()+string(e.Payload))
			}
		}
		return out
	}
	if few, many := of(2), of(90); !slices.Equal(few, many) || len(few) == 0 {
		t.Fatalf("%d and %d events of one car differ", len(few), len(many))
	}
}

func TestEveryEventIsCanonicalAndInOrder(t *testing.T) {
	cat := ingest.BuiltinCatalogue()
	d := json.NewDecoder(cat)
	var ev ingest.Event
	introduced := map[string]bool{}
	last := begin
	n := 0
	for e := range until(newFleet(t, Config{Vehicles: 150, Seed: 1, Story: true}), begin.Add(40*24*time.Hour)) {
		n++
		if e.At.Before(last) {
			t.Fatalf("%s arrives at %s, after %s", e.Topic, e.At, last)
		}
		last = e.At
		if err := d.Decode(e.Payload, &ev); err != nil {
			t.Fatalf("%s: %v", e.Payload, err)
		}
		if ev.Type != e.Type || string(ev.Key) != e.Key || ev.Party != e.Party || !ingest.ValidKey([]byte(e.Key)) {
			t.Fatalf("%+v holds a %s of %q", e, ev.Type, ev.Key)
		}
		if ev.UnknownFields+ev.UnknownSignals+ev.OutOfRange > 0 {
			t.Fatalf("%s: %d unknown fields, %d unknown signals, %d out of range", e.Payload, ev.UnknownFields, ev.UnknownSignals, ev.OutOfRange)
		}
		switch {
		case e.Type == ingest.Vehicle:
			introduced[e.Key] = true
		case !e.Party && !introduced[e.Key]:
			t.Fatalf("%s before its profile", e.Topic)
		}
	}
	if len(introduced) != 153 || n < 20_000 {
		t.Fatalf("%d cars, %d events", len(introduced), n)
	}
}

// seen is what a stream shows of one car.
type seen struct {
	odometers      []float64
	payloads       map[string]bool
	lastArrival    time.Time
	burst, longest int
	dtcs           bool
}

func TestShowsWhatFleetsAreLike(t *testing.T) {
	cat := ingest.BuiltinCatalogue()
	index := func(name string) int {
		i, ok := cat.Index(name)
		if !ok {
			t.Fatalf("no signal %s", name)
		}
		return i
	}
	odometer, coolant, volts := index("odometer"), index("coolant_temp"), index("lv_battery_voltage")
	alarm, tyre, dtcs := index("alarm_level"), index("tire_pressure_fl"), index("dtcs")
	d := json.NewDecoder(cat)
	var ev ingest.Event
	count := map[string]int{}
	cars := map[string]*seen{}
	for e := range until(newFleet(t, Config{Vehicles: 500, Seed: 2, Every: time.Hour}), begin.Add(120*24*time.Hour)) {
		count[e.Type.String()]++
		if e.Party || e.Type == ingest.Vehicle {
			continue
		}
		if err := d.Decode(e.Payload, &ev); err != nil {
			t.Fatal(err)
		}
		if e.Type == ingest.Service && e.At.Sub(begin) > time.Minute && e.At.UnixMilli()-ev.Time > 12*hour {
			count["late service"]++
		}
		if e.Type != ingest.Telemetry {
			continue
		}
		c := cars[e.Key]
		if c == nil {
			c = &seen{payloads: map[string]bool{}}
			cars[e.Key] = c
		}
		if c.payloads[string(e.Payload)] {
			count["duplicate"]++
		}
		c.payloads[string(e.Payload)] = true
		if c.burst++; e.At.Sub(c.lastArrival) > time.Second {
			c.burst = 0
		}
		c.longest = max(c.longest, c.burst)
		if gap := e.At.Sub(c.lastArrival); gap > 36*time.Hour && !c.lastArrival.IsZero() {
			count["gap"]++
		}
		c.lastArrival = e.At
		switch at := e.At.UnixMilli(); {
		case !ev.HasTime:
			count["no clock"]++
		case ev.Time < 400*day:
			count["1970"]++
		case ev.Time > at+300*day:
			count["year ahead"]++
		case at-ev.Time > 7000*day:
			count["week rollover"]++
		}
		for _, s := range ev.Samples {
			switch {
			case s.Signal == odometer:
				c.odometers = append(c.odometers, s.V)
				if s.V == 0 {
					count["odometer 0"]++
				}
			case s.Signal == coolant && s.V > 115:
				count["overheat"]++
			case s.Signal == volts && s.V < 11.8:
				count["weak 12 V"]++
			case s.Signal == alarm && s.V >= 3:
				count["battery alarm"]++
			case s.Signal == tyre && s.V < 160:
				count["low tyre"]++
			}
		}
		for _, s := range ev.Sets {
			if s.Signal == dtcs {
				if c.dtcs && len(s.Codes) == 0 {
					count["codes cleared"]++
				} else if !c.dtcs && len(s.Codes) > 0 {
					count["codes appear"]++
				}
				c.dtcs = len(s.Codes) > 0
			}
		}
	}
	for _, c := range cars {
		if c.longest >= 5 {
			count["burst"]++
		}
		for i := 1; i < len(c.odometers); i++ {
			if step := c.odometers[i] - c.odometers[i-1]; step > 15_000 {
				count["jump"]++
			} else if step < -5000 && c.odometers[i] > 0 {
				count["fall"]++
			}
		}
	}
	t.Logf("%v", count)
	for _, what := range []string{"telemetry", "vehicle", "party", "service", "feedback", "late service", "duplicate", "gap", "burst",
		"no clock", "1970", "year ahead", "week rollover", "odometer 0", "overheat", "weak 12 V", "battery alarm", "low tyre",
		"codes appear", "codes cleared", "jump", "fall"} {
		if count[what] == 0 {
			t.Errorf("never shown: %s (of %v)", what, slices.Sorted(maps.Keys(count)))
		}
	}
}

// Cars whose instrument is sound drive what their use suggests.
func TestMileageFollowsUse(t *testing.T) {
	f := newFleet(t, Config{Vehicles: 400, Seed: 5, Every: time.Hour})
	var cars []*vehicle
	for _, s := range f.queue {
		if v, ok := s.(*vehicle); ok {
			cars = append(cars, v)
		}
	}
	from := map[*vehicle]float64{}
	for _, v := range cars {
		from[v] = v.odo
	}
	const days = 90
	for range until(f, begin.Add(days*24*time.Hour)) {
	}
	var km, n [5]float64
	for _, v := range cars {
		km[v.use] += (v.odo - from[v]) / days
		n[v.use]++
		if v.odo < from[v] || v.odo-from[v] > days*900 {
			t.Errorf("car %d went from %.0f to %.0f km in %d days", v.id, from[v], v.odo, days)
		}
	}
	want := [5][2]float64{commuter: {15, 80}, weekender: {8, 60}, taxi: {150, 600}, van: {40, 250}, parked: {0, 5}}
	for u, w := range want {
		if mean := km[u] / n[u]; n[u] == 0 || mean < w[0] || mean > w[1] {
			t.Errorf("use %d: %.1f km a day on average over %.0f cars, expected %v", u, mean, n[u], w)
		}
	}
}

func TestVINsHaveCheckDigits(t *testing.T) {
	seen := map[string]bool{}
	for id := range 2000 {
		v := vin(id)
		if len(v) != 17 || seen[v] || strings.ContainsAny(v, "IOQ_") {
			t.Fatalf("vin %q of %d", v, id)
		}
		seen[v] = true
	}
	if v := vin(1); v[8] != '4' && v[8] != checkDigit(v) {
		t.Fatalf("vin %s, expected the check digit %c", v, checkDigit(v))
	}
}

// checkDigit is ISO 3779 by its own table.
func checkDigit(vin string) byte {
	value := map[byte]int{'L': 3, 'M': 4, 'P': 7, 'A': 1, 'R': 9}
	weights := []int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i := range vin {
		v, ok := value[vin[i]]
		if !ok {
			v = int(vin[i] - '0')
		}
		if i != 8 {
			sum += v * weights[i]
		}
	}
	return "0123456789X"[sum%11]
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{Start: begin}, {Vehicles: 1}, {Vehicles: 1, Start: begin, Every: time.Millisecond}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestStory(t *testing.T) {
	cat := ingest.BuiltinCatalogue()
	d := json.NewDecoder(cat)
	odometer, _ := cat.Index("odometer")
	coolant, _ := cat.Index("coolant_temp")
	volts, _ := cat.Index("lv_battery_voltage")
	var ev ingest.Event
	var soon, hotFrom, hotTill, weakFrom, weakTill, booked, serviced time.Time
	last := begin
	for _, e := range Story(begin) {
		if err := d.Decode(e.Payload, &ev); err != nil {
			t.Fatalf("%s: %v", e.Payload, err)
		}
		if e.At.Before(last) {
			t.Fatalf("%s at %s is out of order", e.Topic, e.At)
		}
		last = e.At
		switch {
		case e.Type == ingest.Feedback:
			booked = e.At
		case e.Type == ingest.Service && e.Key == StoryReminder:
			serviced = e.At
		}
		for _, s := range ev.Samples {
			switch {
			case e.Key == StoryReminder && s.Signal == odometer && s.V >= 9000 && soon.IsZero():
				soon = e.At
			case e.Key == StoryOverheat && s.Signal == coolant && s.V > 115:
				if hotFrom.IsZero() {
					hotFrom = e.At
				}
				hotTill = e.At
			case e.Key == StoryBattery && s.Signal == volts && s.V < 11.8:
				if weakFrom.IsZero() {
					weakFrom = e.At
				}
				weakTill = e.At
			}
		}
	}
	if soon.IsZero() || soon.Sub(begin) > 3*24*time.Hour {
		t.Errorf("9,000 km at %s", soon)
	}
	if hotTill.Sub(hotFrom) < time.Minute || hotTill.Sub(begin) > 24*time.Hour {
		t.Errorf("hot from %s to %s", hotFrom, hotTill)
	}
	if weakTill.Sub(weakFrom) < 2*time.Minute || weakTill.Sub(begin) > 3*24*time.Hour {
		t.Errorf("weak from %s to %s", weakFrom, weakTill)
	}
	if !booked.After(soon) || !serviced.After(booked) {
		t.Errorf("soon %s, booked %s, serviced %s", soon, booked, serviced)
	}
}

func TestFiller(t *testing.T) {
	d := json.NewDecoder(ingest.BuiltinCatalogue())
	var ev ingest.Event
	f := NewFiller(100, 1, begin, time.Millisecond)
	at := int64(0)
	for range 5000 {
		vin, p := f.Next()
		if err := d.Decode(p, &ev); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		if len(p) != FillerSize || len(ev.Samples) != 10 || !bytes.Equal(ev.Key, vin) || ev.Time <= at {
			t.Fatalf("%d bytes, %d samples: %s", len(p), len(ev.Samples), p)
		}
		at = ev.Time
	}
	if n := testing.AllocsPerRun(1000, func() { f.Next() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if events := Telemetry(3); len(events) != 3 || len(events[2].Payload) != FillerSize || events[0].At.Equal(events[1].At) {
		t.Errorf("%+v", events)
	}
}

func BenchmarkNext(b *testing.B) {
	f := newFleet(b, Config{Vehicles: 2000, Seed: 1})
	b.ReportAllocs()
	for b.Loop() {
		f.Next()
	}
}

func BenchmarkFiller(b *testing.B) {
	f := NewFiller(100_000, 1, begin, time.Millisecond)
	b.ReportAllocs()
	for b.Loop() {
		f.Next()
	}
}

func TestSkipIsNextWithoutTheEvents(t *testing.T) {
	cfg := Config{Vehicles: 50, Seed: 7, Start: begin, Every: time.Hour, Story: true}
	end := begin.Add(20 * 24 * time.Hour)
	slow, fast := newFleet(t, cfg), newFleet(t, cfg)
	e := slow.Next()
	for e.At.Before(end) {
		e = slow.Next()
	}
	fast.Skip(end)
	for range 5000 {
		got := fast.Next()
		if got.At != e.At || got.Key != e.Key || !bytes.Equal(got.Payload, e.Payload) {
			t.Fatalf("after Skip: %s %s %s\n        want: %s %s %s", got.At, got.Key, got.Payload, e.At, e.Key, e.Payload)
		}
		e = slow.Next()
	}
}

func TestOneLanguageForAll(t *testing.T) {
	f := newFleet(t, Config{Vehicles: 200, Seed: 7, Start: begin, Story: true, Language: "en"})
	for range 2000 {
		if e := f.Next(); bytes.ContainsFunc(e.Payload, func(r rune) bool { return unicode.Is(unicode.Han, r) }) || bytes.Contains(e.Payload, []byte(`"language":"zh"`)) {
			t.Fatalf("not English: %s", e.Payload)
		}
	}
}
