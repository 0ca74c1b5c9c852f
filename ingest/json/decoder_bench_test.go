//go:build unix

package json

import (
	"encoding/binary"
	"math/bits"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/milepost-io/milepost/ingest"
)

// typicalEvent is 261 bytes with ten signals, as a gateway of ours sends it.
const typicalEvent = `{"type":"telemetry","vin":"LSVAA49J132000001","time":"2026-03-01T08:15:30.250Z","seq":1842,"signals":{` +
	`"odometer":19987.4,"speed":63.2,"coolant_temp":92,"lv_battery_voltage":13.9,"soc":71.5,"ignition":true,` +
	`"oil_temp":97.5,"fuel_level":44,"trip_km":8.3,"soh":98}}`

// longDigits is the same event with doubles printed from 32-bit floats.
const longDigits = `{"type":"telemetry","vin":"LSVAA49J132000001","time":"2026-03-01T08:15:30.250Z","seq":1842,"signals":{` +
	`"odometer":19987.400390625,"speed":63.20000076293945,"coolant_temp":92.19999694824219,"lv_battery_voltage":13.899999618530273,` +
	`"soc":71.5,"ignition":true,"oil_temp":97.5,"fuel_level":44,"trip_km":8.300000190734863,"dtcs":["P0301","P0420"]}}`

func BenchmarkDecode(b *testing.B) {
	for name, text := range map[string]string{"typical": typicalEvent, "long_digits": longDigits} {
		b.Run(name, func(b *testing.B) {
			d, ev, p := NewDecoder(ingest.BuiltinCatalogue()), new(ingest.Event), []byte(text)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				if err := d.Decode(p, ev); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/event")
		})
	}
}

// BenchmarkDecodeFloor reads every byte once, eight at a time, and looks for the ends of strings and
// numbers in them: no decoder does less.
func BenchmarkDecodeFloor(b *testing.B) {
	p := []byte(typicalEvent)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	var sum uint64
	before := cpu(b)
	for b.Loop() {
		for i := 0; i+8 <= len(p); i += 8 {
			w := binary.LittleEndian.Uint64(p[i:])
			sum += w
			for m := special(w); m != 0; m &= m - 1 {
				sum += uint64(bits.TrailingZeros64(m))
			}
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/event")
	if sum == 0 {
		b.Fatal("nothing read")
	}
}

// cpu is what the process has used, in nanoseconds: the figure that holds on a shared machine.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkDecodeLibrary is the strict library on the same event, into a struct.
func BenchmarkDecodeLibrary(b *testing.B) {
	p := []byte(typicalEvent)
	b.ReportAllocs()
	for b.Loop() {
		var v struct {
			Type    string         `json:"type"`
			VIN     string         `json:"vin"`
			Time    string         `json:"time"`
			Seq     uint64         `json:"seq"`
			Signals map[string]any `json:"signals"`
		}
		if err := json.Unmarshal(p, &v); err != nil {
			b.Fatal(err)
		}
	}
}
