package fleet

import (
	"bytes"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// FillerSize is the length of every payload of a Filler, in bytes.
const FillerSize = 254

// Filler makes telemetry for benchmarks: random cars, ten signals, FillerSize bytes each. An event is a
// template with new digits in it, so that making it costs a small part of what handling it does, and no
// allocation. Every event is newer than the ones before, and no odometer falls.
type Filler struct {
	vins     []byte // vinLen bytes each
	metres   []uint32
	rng      random
	at       int64
	step     int64
	payload  []byte
	vehicles int
	digits   [fillerFields]place
}

const vinLen = 17

// place is where a number stands in the payload: the digits from..to, of which the last follows a point
// when decimals is 1, and the last two when it is 2.
type place struct{ from, to, decimals int }

// The numbers of a filler's payload that change.
const (
	fillerTime = iota
	fillerSeq
	fillerOdometer
	fillerSpeed
	fillerTrip
	fillerCoolant
	fillerOil
	fillerAmbient
	fillerFuel
	fillerVolts
	fillerSOC
	fillerFields
)

const (
	fillerText = `{"type":"telemetry","vin":"LMPAA00100R000000","time":1700000000000,"seq":0,"signals":{"odometer":10000.0,` +
		`"speed":50.0,"trip_km":10.0,"ignition":true,"coolant_temp":90,"oil_temp":90,"ambient_temp":20,"fuel_level":50,` +
		`"lv_battery_voltage":13.50,"soc":50.0}}`
	fillerVIN = len(`{"type":"telemetry","vin":"`)
)

// NewFiller makes a filler whose events are step apart, the first at start.
func NewFiller(vehicles int, seed uint64, start time.Time, step time.Duration) *Filler {
	f := &Filler{
		rng: newRandom(seed, 0), at: start.UnixMilli(), step: step.Milliseconds(), vehicles: vehicles,
		metres: make([]uint32, vehicles), payload: []byte(fillerText),
	}
	names := [fillerFields]string{
		"time", "seq", "odometer", "speed", "trip_km", "coolant_temp", "oil_temp", "ambient_temp", "fuel_level", "lv_battery_voltage", "soc",
	}
	for i, name := range names {
		f.digits[i] = find(f.payload, name)
	}
	for i := range vehicles {
		f.vins = append(f.vins, vin(i)...)
		f.metres[i] = uint32(10_000_000 + f.rng.n(60_000_000))
	}
	return f
}

// find locates the number of a member.
func find(payload []byte, name string) place {
	from := bytes.Index(payload, []byte(`"`+name+`":`)) + len(name) + 3
	to := from + bytes.IndexAny(payload[from:], ",}")
	p := place{from: from, to: to}
	if point := bytes.IndexByte(payload[from:to], '.'); point >= 0 {
		p.decimals = to - from - point - 1
	}
	return p
}

// VIN is the id of the i-th vehicle.
func (f *Filler) VIN(i int) []byte { return f.vins[vinLen*i : vinLen*(i+1)] }

// Next returns a vehicle's id and its payload, both valid until the next call.
func (f *Filler) Next() (vin, payload []byte) {
	at := f.at
	f.at += f.step
	return f.NextAt(at)
}

// NextAt is Next with the time given, Unix ms.
func (f *Filler) NextAt(at int64) (vin, payload []byte) {
	return f.Of(f.rng.n(f.vehicles), at)
}

// Of is NextAt for the i-th vehicle.
func (f *Filler) Of(i int, at int64) (vin, payload []byte) {
	vin = f.VIN(i)
	r := f.rng.Uint64()
	part := func(bits uint64, mod uint64) uint64 { return r >> bits & 1023 % mod }
	f.metres[i] += uint32(r >> 58)
	copy(f.payload[fillerVIN:], vin)
	f.set(fillerTime, uint64(at))
	f.set(fillerSeq, part(54, 10))
	f.set(fillerOdometer, uint64(f.metres[i]/100))
	f.set(fillerSpeed, 100+part(0, 900))
	f.set(fillerTrip, 100+part(7, 900))
	f.set(fillerCoolant, 80+part(14, 20))
	f.set(fillerOil, 80+part(20, 20))
	f.set(fillerAmbient, 10+part(26, 25))
	f.set(fillerFuel, 10+part(32, 90))
	f.set(fillerVolts, 1350+part(38, 90))
	f.set(fillerSOC, 200+part(44, 700))
	return vin, f.payload
}

// set writes v, less its point, over the digits of a number.
func (f *Filler) set(field int, v uint64) {
	p := &f.digits[field]
	i := p.to
	if p.decimals > 0 {
		for range p.decimals {
			i--
			f.payload[i] = byte('0' + v%10)
			v /= 10
		}
		i--
	}
	for i > p.from {
		i--
		f.payload[i] = byte('0' + v%10)
		v /= 10
	}
}

// Telemetry is n events of a Filler over 100,000 cars, a millisecond apart.
func Telemetry(n int) []Event {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	f := NewFiller(100_000, 1, start, time.Millisecond)
	events := make([]Event, n)
	for i := range events {
		at := time.UnixMilli(f.at).UTC()
		key, payload := f.Next()
		vin := string(key)
		events[i] = Event{At: at, Topic: "vehicles/" + vin + "/telemetry", Key: vin, Type: ingest.Telemetry, Payload: append([]byte(nil), payload...)}
	}
	return events
}
