package fleet

import (
	"strconv"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// FillerSize is the length of every payload of a Filler, in bytes.
const FillerSize = 254

// Filler makes telemetry for benchmarks: random cars, ten signals, FillerSize bytes each, no allocation.
// Every event is newer than the ones before and every odometer grows.
type Filler struct {
	vins     []byte // 17 bytes each
	metres   []uint32
	rng      random
	at       int64
	step     int64
	payload  []byte
	vehicles int
}

// NewFiller makes a filler whose events are step apart, the first at start.
func NewFiller(vehicles int, seed uint64, start time.Time, step time.Duration) *Filler {
	f := &Filler{rng: newRandom(seed, 0), at: start.UnixMilli(), step: step.Milliseconds(), vehicles: vehicles,
		metres: make([]uint32, vehicles)}
	for i := range vehicles {
		f.vins = append(f.vins, vin(i)...)
		f.metres[i] = uint32(10_000_000 + f.rng.n(60_000_000))
	}
	return f
}

// Next returns a vehicle's id and its payload, both valid until the next call.
func (f *Filler) Next() (vin, payload []byte) {
	i := f.rng.n(f.vehicles)
	vin = f.vins[17*i : 17*i+17]
	f.metres[i] += uint32(100 + f.rng.n(2000))
	r := f.rng.Uint64()
	part := func(bits uint64, mod uint64) uint64 { return r >> bits % mod }
	b := append(f.payload[:0], `{"type":"telemetry","vin":"`...)
	b = append(b, vin...)
	b = append(b, `","time":`...)
	b = strconv.AppendInt(b, f.at, 10)
	f.at += f.step
	b = append(b, `,"seq":`...)
	b = fixed(b, part(55, 10), 0)
	b = append(b, `,"signals":{"odometer":`...)
	b = fixed(b, uint64(f.metres[i]/100), 1)
	b = append(b, `,"speed":`...)
	b = fixed(b, 100+part(0, 900), 1)
	b = append(b, `,"trip_km":`...)
	b = fixed(b, 100+part(7, 900), 1)
	b = append(b, `,"ignition":true,"coolant_temp":`...)
	b = fixed(b, 80+part(14, 20), 0)
	b = append(b, `,"oil_temp":`...)
	b = fixed(b, 80+part(20, 20), 0)
	b = append(b, `,"ambient_temp":`...)
	b = fixed(b, 10+part(26, 25), 0)
	b = append(b, `,"fuel_level":`...)
	b = fixed(b, 10+part(32, 90), 0)
	b = append(b, `,"lv_battery_voltage":`...)
	b = fixed(b, 1350+part(38, 90), 2)
	b = append(b, `,"soc":`...)
	b = fixed(b, 200+part(45, 700), 1)
	f.payload = append(b, `}}`...)
	return vin, f.payload
}

// fixed writes v/10^decimals.
func fixed(b []byte, v uint64, decimals int) []byte {
	b = strconv.AppendUint(b, v, 10)
	if decimals == 0 {
		return b
	}
	b = append(b, 0)
	point := len(b) - 1 - decimals
	copy(b[point+1:], b[point:])
	b[point] = '.'
	return b
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
