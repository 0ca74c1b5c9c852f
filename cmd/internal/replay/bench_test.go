//go:build unix

package replay_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/replay"
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/fleet"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/rules"
)

const (
	benchLines = 300_000
	benchCars  = 10_000
)

// writeRecording writes profiles and telemetry of a fleet, an event every 100 ms.
func writeRecording(b *testing.B) string {
	name := filepath.Join(b.TempDir(), "recording.ndjson")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	filler := fleet.NewFiller(benchCars, 1, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), 100*time.Millisecond)
	for i := range benchCars {
		fmt.Fprintf(w, `{"type":"vehicle","vin":%q,"profile":{"powertrain":"ice","in_service":"2026-01-15","timezone":"Asia/Shanghai"}}`+"\n", filler.VIN(i))
	}
	for range benchLines - benchCars {
		_, payload := filler.Next()
		_, _ = w.Write(append(payload, '\n'))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return name
}

// BenchmarkBacktest replays a recording of 300,000 lines with the benchmark's 50 rules and plan of 6
// items. An operation is the whole recording; events/s is on one core.
func BenchmarkBacktest(b *testing.B) {
	content, err := os.ReadFile("../../../rules/testdata/bench/rules.yaml")
	if err != nil {
		b.Fatal(err)
	}
	name := writeRecording(b)
	before := cpu(b)
	for b.Loop() {
		r, err := replay.New(replay.Options{Activation: rules.Activation{Number: 1, Files: []rules.File{{Name: "rules.yaml", Content: string(content)}}}})
		if err != nil {
			b.Fatal(err)
		}
		n, err := replay.Feed(context.Background(), r, name, func(int) {})
		if err != nil || n != benchLines {
			b.Fatal(n, err)
		}
		if err := r.Finish(replay.NoEnd); err != nil {
			b.Fatal(err)
		}
		if _, applied, _, _, _ := r.Outcomes(); applied != benchLines {
			b.Fatalf("%d applied", applied)
		}
	}
	b.ReportMetric(float64(b.N)*benchLines/(cpu(b)-before).Seconds(), "events/s")
}

// BenchmarkBacktestFloor reads the same lines and decodes each as strictly.
func BenchmarkBacktestFloor(b *testing.B) {
	name := writeRecording(b)
	d := jsoncodec.NewDecoder(ingest.BuiltinCatalogue())
	var ev ingest.Event
	before := cpu(b)
	for b.Loop() {
		f, err := os.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if err := d.Decode(lines.Bytes(), &ev); err != nil {
				b.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*benchLines/(cpu(b)-before).Seconds(), "events/s")
}

// cpu is what the process has used: the figure that holds on a shared machine.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
