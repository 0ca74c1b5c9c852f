package replay_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/replay"
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules"
)

// obdRow is what a rule can read of a recorded row.
type obdRow struct{ volts, rpm float64 }

// TestRealCranks runs recorded drives, half a second a row, past a 12 V rule: a starter pulls the voltage
// down for a moment, which is no failing battery.
func TestRealCranks(t *testing.T) {
	files, err := filepath.Glob("../../../../shared/data/obd/*.csv")
	if err != nil || len(files) == 0 {
		t.Skip("no recorded drives beside the project")
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			rows := readOBD(t, path)
			low, longest, run := 0, 0, 0
			for _, r := range rows {
				if r.volts < 11.8 {
					low++
					run++
				} else {
					run = 0
				}
				longest = max(longest, run)
			}
			t.Logf("%d rows, %d below 11.8 V, at most %d in a row", len(rows), low, longest)
			for _, hold := range []struct {
				name  string
				file  string
				fires bool
			}{
				{"for 60s", "rules: [{id: weak-12v, when: lv_battery_voltage < 11.8, for: 60s, severity: advisory}]", longest > 120},
				{"at once", "rules: [{id: weak-12v, when: lv_battery_voltage < 11.8, severity: advisory}]", low > 0},
			} {
				if got := firings(t, rows, hold.file); (got > 0) != hold.fires {
					t.Errorf("%s: %d alerts", hold.name, got)
				}
			}
		})
	}
}

func firings(t *testing.T, rows []obdRow, ruleFile string) int {
	t.Helper()
	r, err := replay.New(replay.Options{Activation: rules.Activation{Files: []rules.File{{Name: "r.yaml", Content: ruleFile}}}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for i, row := range rows {
		at := at.Add(time.Duration(i) * 500 * time.Millisecond).UnixMilli()
		payload := fmt.Sprintf(`{"type":"telemetry","vin":"ETIOS1","time":%d,"signals":{"lv_battery_voltage":%g,"engine_on":%t,"odometer":%g}}`, at, row.volts, row.rpm > 0, 42_000+float64(i)/200)
		err := r.Apply(&ingest.Record{Key: []byte("ETIOS1"), Types: ingest.TypeSet(ingest.Telemetry), Arrival: at, Codec: "json", Source: "file", Payload: []byte(payload)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Finish(replay.NoEnd); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range r.Lines() {
		if strings.Contains(string(l.Event), `"type":"milepost.alert.firing"`) {
			n++
		}
	}
	return n
}

func readOBD(t *testing.T, path string) []obdRow {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	in.Scan()
	head := strings.Split(in.Text(), ",")
	volts, rpm := slices.Index(head, "CONTROL_MODULE_VOLTAGE ()"), slices.Index(head, "ENGINE_RPM ()")
	if volts < 0 || rpm < 0 {
		t.Fatalf("%s: columns %v", path, head)
	}
	var rows []obdRow
	for in.Scan() {
		cells := strings.Split(in.Text(), ",")
		if len(cells) <= max(volts, rpm) {
			continue // the log ends in the middle of a row
		}
		v, err1 := strconv.ParseFloat(strings.TrimSpace(cells[volts]), 64)
		n, err2 := strconv.ParseFloat(strings.TrimSpace(cells[rpm]), 64)
		if err1 == nil && err2 == nil {
			rows = append(rows, obdRow{v, n})
		}
	}
	return rows
}
