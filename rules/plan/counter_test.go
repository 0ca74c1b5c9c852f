package plan

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A counter case is a little script, one input a line:
//
//	<time> <value> [on]            -> what became of the sample (on: the ignition came on since the last)
//	<time> service <value> [reset <from> <to>] -> the odometer as it counts
//	<time> set <value>             -> k
//
// Times are durations from 2026-01-05T00:00Z, values km or hours.
type counterCase struct {
	name    string
	measure Measure
	script  string
}

var counterCases = []counterCase{
	{name: "S20 the first value above 0 is accepted", script: `
		0h 0 -> ignored
		1h 123456.789 -> accepted 123456.789
	`},
	{name: "S20 values are rounded to whole metres, halves up", script: `
		0h 10.0004 -> accepted 10
		1h 10.0005 -> accepted 10.001
	`},
	{name: "S20 zero is ignored later, and discards nothing", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9000.5 -> suspect jump
		1h6m 0 -> ignored
		1h12m 9001 -> accepted 9001 jump
	`},
	{name: "S20 at most 100 km below the greatest service odometer", script: `
		0h service 20000 -> 20000 pending
		0h service 15000 -> 15000 pending
		1h 19900 -> accepted 19900
	`},
	{name: "S20 further below: suspect until a run", script: `
		0h service 20000 -> 20000 pending
		1h 2000 -> suspect below_service
		1h5m 2000.9 -> suspect below_service
		1h10m 2000.999 -> suspect below_service
		1h15m 2001 -> accepted 2001
	`},
	{name: "S20 a plausible value ends the doubt", script: `
		0h service 20000 -> 20000 pending
		1h 2000 -> suspect below_service
		1h5m 20001 -> accepted 20001
		1h6m 2001 -> suspect fall
	`},
	{name: "S21 within 1 km below k: accepted, k stays, e moves on", script: `
		0h 1000 -> accepted 1000
		24h 999 -> accepted 1000
		72h 5000 -> accepted 5000
	`},
	{name: "S21 just below: fall", script: `
		0h 1000 -> accepted 1000
		1h 998.999 -> suspect fall
	`},
	{name: "S21 2,000 km even after a minute", script: `
		0h 1000 -> accepted 1000
		1m 3000 -> accepted 3000
		2m 5000.001 -> suspect jump
	`},
	{name: "S21 2,000 km per day, days not rounded", script: `
		0h 10000 -> accepted 10000
		36h 13000 -> accepted 13000
		72h 16000.001 -> suspect jump
	`},
	{name: "S21 miles read as kilometres", script: `
		0h 10000 -> accepted 10000
		1h 16093.44 -> suspect unit
		2h 16094 -> suspect unit
		3h 16095 -> suspect unit
		4h 16096 -> suspect unit
	`},
	{name: "S21 unit although within k + allow", script: `
		0h 200 -> accepted 200
		1m 321.9 -> suspect unit
	`},
	{name: "S21 half a per cent around the ratio", script: `
		0h 100000 -> accepted 100000
		1h 160129.728 -> suspect unit
		2h 161739.072 -> suspect unit
	`},
	{name: "S21 outside half a per cent", script: `
		0h 100000 -> accepted 100000
		1h 160129.727 -> suspect jump
		2h 161739.073 -> suspect jump
	`},
	{name: "S21 50 km and 2,000 km a day, days from 0", script: `
		0h 100 -> accepted 100
		7m 160.934 -> suspect unit
	`},
	{name: "S21 days of the exception are not rounded", script: `
		0h 100 -> accepted 100
		8m 160.934 -> accepted 160.934
	`},
	{name: "S21 unit goes on when time has made it plausible", script: `
		0h 10000 -> accepted 10000
		1h 16093.44 -> suspect unit
		96h 16200 -> suspect unit
		97h 30000 -> suspect unit
	`},
	{name: "S21 a smaller one accepted ends it", script: `
		0h 10000 -> accepted 10000
		1h 16093.44 -> suspect unit
		2h 10010 -> accepted 10010
		96h 17000 -> accepted 17000
	`},
	{name: "S21 unit lasts 1 km below the ratio", script: `
		0h 10000 -> accepted 10000
		1h 16093.44 -> suspect unit
		97h 16091.831 -> suspect unit
		98h 16091.83 -> accepted 16091.83
	`},
	{name: "S21 an operator ends it", script: `
		0h 10000 -> accepted 10000
		1h 16093.44 -> suspect unit
		2h set 16093 -> 16093
		3h 16100 -> accepted 16100
	`},
	{name: "S22 a run of three over ten minutes that grew a kilometre", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9000.5 -> suspect jump
		1h10m 9001 -> accepted 9001 jump
	`},
	{name: "S22 not before ten minutes", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9005 -> suspect jump
		1h9m59s 9010 -> suspect jump
		1h10m 9010 -> accepted 9010 jump
	`},
	{name: "S22 not without a kilometre", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9000 -> suspect jump
		1h20m 9000.999 -> suspect jump
		1h21m 9001 -> accepted 9001 jump
	`},
	{name: "S22 not with two", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		2h 9010 -> suspect jump
	`},
	{name: "S22 equal e starts a new run", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9001 -> suspect jump
		1h5m 9002 -> suspect jump
		1h15m 9003 -> suspect jump
		1h16m 9004 -> accepted 9004 jump
	`},
	{name: "S22 a value that falls or leaps starts a new run", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9001 -> suspect jump
		1h10m 9000.9 -> suspect jump
		1h15m 12000 -> suspect jump
		1h20m 12001 -> suspect jump
		1h25m 12002 -> accepted 12002 jump
	`},
	{name: "S22 a value below the one before starts a new run", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9005 -> suspect jump
		1h10m 9002 -> suspect jump
	`},
	{name: "S22 miles do not continue a run of jumps", script: `
		0h 10000 -> accepted 10000
		1h 15000 -> suspect jump
		1h5m 15001 -> suspect jump
		1h15m 16093.44 -> suspect unit
	`},
	{name: "S22 another kind starts a new run", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9001 -> suspect jump
		1h6m 3 -> suspect fall
		1h15m 9002 -> suspect jump
	`},
	{name: "S25 a good sample discards the run", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9001 -> suspect jump
		1h6m 999.5 -> accepted 1000
		1h15m 9002 -> suspect jump
	`},
	{name: "S23 spike: back to before the jump", script: `
		0h 1000 -> accepted 1000
		1h 9000 -> suspect jump
		1h5m 9001 -> suspect jump
		1h10m 9002 -> accepted 9002 jump
		2h 999 -> suspect fall
		2h5m 1001 -> suspect fall
		2h10m 1002 -> accepted 1002 spike
		2h11m 1003 -> accepted 1003
	`},
	{name: "S23 a rise of more than 50 km is a step", script: `
		0h 1000 -> accepted 1000
		1h 1050.001 -> accepted 1050.001
		2h 1001 -> suspect fall
		2h5m 1002 -> suspect fall
		2h10m 1003 -> accepted 1003 spike
	`},
	{name: "S23 a rise of 50 km is none: no spike", script: `
		0h 1000 -> accepted 1000
		1h 1050 -> accepted 1050
		2h 1001 -> suspect fall
		2h5m 1002 -> suspect fall
		2h10m 1003 -> suspect fall
	`},
	{name: "S23 below the value before the step, less 1 km: no spike", script: `
		0h 1000 -> accepted 1000
		1h 1060 -> accepted 1060
		2h 998.999 -> suspect fall
		2h5m 1002 -> suspect fall
		2h10m 1003 -> suspect fall
	`},
	{name: "S24 replaced, and services from the first sample on", script: `
		0h 50000 -> accepted 50000
		24h 1 -> suspect fall
		24h30m 2 -> suspect fall
		25h service 3 -> 50000 derived
		49h 7 -> accepted 50006 replaced
		49h records -> 50000 derived
		50h 8 -> accepted 50007
		51h service 9 -> 50008
		23h service 49990 -> 49990
		24h service 2 -> 50001
	`},
	{name: "S24 what a service told on the new scale gets the offset too", script: `
		0h 1500 -> accepted 1500
		24h 1 -> suspect fall
		24h30m 2 -> suspect fall
		25h service 3 -> 3
		49h 7 -> accepted 1506 replaced
		50h records -> 1502
	`},
	{name: "S24 not before a day", script: `
		0h 50000 -> accepted 50000
		24h 1 -> suspect fall
		30h 5 -> suspect fall
		47h59m59s 9 -> suspect fall
		48h 9 -> accepted 50008 replaced
	`},
	{name: "S24 not below 5 km", script: `
		0h 50000 -> accepted 50000
		24h 1 -> suspect fall
		30h 5 -> suspect fall
		50h 5.999 -> suspect fall
		51h 6 -> accepted 50005 replaced
	`},
	{name: "S24 cycles: a gap of 30 minutes or the ignition", script: `
		0h 50000 -> accepted 50000
		24h 1 -> suspect fall
		24h29m 2 -> suspect fall
		24h58m 3 -> suspect fall
		48h 9 -> suspect fall
		48h1m 9.1 on -> accepted 50008.1 replaced
	`},
	{name: "S24 without the ignition it waits for the next gap", script: `
		0h 50000 -> accepted 50000
		24h 1 -> suspect fall
		24h29m 2 on -> suspect fall
		24h58m 3 -> suspect fall
		25h10m 4 -> suspect fall
		25h39m59s 5 -> suspect fall
		26h9m58s 6 -> suspect fall
		26h30m 7 -> suspect fall
	`},
	{name: "S24 odometer_reset: its own odometer on the old scale", script: `
		0h 50000 -> accepted 50000
		1h 3 -> suspect fall
		2h service 50001 reset 50001 0 -> 50001
		3h 4 -> accepted 50005
		4h service 10 -> 50011
		1h service 49999 -> 49999
	`},
	{name: "S24 odometer_reset drops suspects and leaves k", script: `
		0h 50000 -> accepted 50000
		1h 60000 -> suspect jump
		1h5m 60005 -> suspect jump
		2h service - reset 50000 50100 -> 50000 derived
		2h10m 60110 -> suspect jump
	`},
	{name: "S33 absent or too far from k or d: d", script: `
		0h 10000 -> accepted 10000
		24h 10500 -> accepted 10500
		48h 12400 -> accepted 12400
		49h service - -> 12400 derived
		49h service 0 -> 12400 derived
		2h service - -> 10000 derived
		2h service 12000 -> 12000
		2h service 12000.001 -> 10000 derived
		25h service 8500 -> 8500
		25h service 8499.999 -> 10500 derived
		-24h service 9000 -> 9000
		-24h service 0 -> 0
		-24h service 14400 -> 14400
		-24h service 14400.001 -> 12400 derived
		-24h service - -> 12400 derived
	`},
	{name: "S33 d is known for 35 days back", script: `
		0h 10000 -> accepted 10000
		24h 11000 -> accepted 11000
		840h 12000 -> accepted 12000
		840h service - at 0h -> 10000 derived
		864h service - at 0h -> 12000 derived
		864h service - at 24h -> 11000 derived
		864h service - at 816h -> 11000 derived
	`},
	{name: "S33 what was told before k is checked when k comes", script: `
		0h service 70000 -> 70000 pending
		0h service - -> pending
		-960h service 40000 -> 40000 pending
		1h 50000 -> suspect below_service
		2h 50001 -> suspect below_service
		3h 50002 -> accepted 50002
		4h records -> 50002 derived, 50002 derived, 40000
	`},
	{name: "S26 hours: 24 a day", measure: EngineHours, script: `
		0h 100 -> accepted 100
		1h 124 -> accepted 124
		2h 148.001 -> suspect jump
		2h10m 148.1 -> suspect jump
		2h20m 148.101 -> accepted 148.101 jump
	`},
	{name: "S26 hours: no unit", measure: EngineHours, script: `
		0h 10000 -> accepted 10000
		1h 16093.44 -> suspect jump
	`},
	{name: "S26 hours: 0.1 h below, 5 h a step", measure: EngineHours, script: `
		0h 100 -> accepted 100
		1h 99.9 -> accepted 100
		2h 105.001 -> accepted 105.001
		3h 100 -> suspect fall
		4h 100.05 -> suspect fall
		5h 100.1 -> accepted 100.1 spike
	`},
	{name: "S26 hours: 0.5 h for replaced", measure: EngineHours, script: `
		0h 1000 -> accepted 1000
		1h 1 -> suspect fall
		2h 1.2 -> suspect fall
		26h 1.499 -> suspect fall
		27h 1.5 -> accepted 1000.5 replaced
	`},
	{name: "S26 hours: 10 h below the greatest told by a service", measure: EngineHours, script: `
		0h service 500 -> 500 pending
		1h 489.999 -> suspect below_service
		2h 490 -> accepted 490
	`},
}

func TestCounter(t *testing.T) {
	for _, tc := range counterCases {
		t.Run(tc.name, func(t *testing.T) {
			s := &State{Core: &Core{}}
			for line := range strings.Lines(tc.script) {
				in, want, found := strings.Cut(strings.TrimSpace(line), " -> ")
				if !found {
					continue
				}
				if got := s.play(t, tc.measure, strings.Fields(in)); got != want {
					t.Fatalf("%s: got %s, want %s", in, got, want)
				}
			}
		})
	}
}

var counterStart = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC).UnixMilli()

func (s *State) play(t *testing.T, m Measure, words []string) string {
	t.Helper()
	at := counterStart + mustDuration(t, words[0])
	switch words[1] {
	case "set":
		s.Set(m, mustUnits(t, words[2]), at, Zone{})
		c, _ := s.measure(m)
		return show(c.Value)
	case "records":
		var out []string
		for i := range s.Services {
			out = append(out, showSettled(s.Services[i].get(m)))
		}
		return strings.Join(out, ", ")
	case "service":
		return s.playService(t, m, at, words[2:])
	}
	if words[len(words)-1] == "on" {
		s.PowerOn()
	}
	v := s.Observe(m, Sample{Raw: mustUnits(t, words[1]), E: at, Now: at})
	switch v.Fate {
	case Ignored:
		return "ignored"
	case Suspected:
		return "suspect " + v.Suspect.String()
	}
	return strings.TrimSpace(fmt.Sprintf("accepted %s %s", show(v.After), v.Cause))
}

// playService files a service for the item 1. "at" gives its time where it is not its arrival; a time
// before the newest reading is an arrival now.
func (s *State) playService(t *testing.T, m Measure, at int64, words []string) string {
	t.Helper()
	c, _ := s.measure(m)
	sv := Service{Time: at, Now: max(at, c.At), Items: []ItemKey{1}}
	told := Told{}
	if words[0] != "-" {
		told = Told{Value: mustUnits(t, words[0]), Set: true}
	}
	if m == EngineHours {
		sv.Hours = told
	} else {
		sv.KM = told
	}
	if len(words) == 3 {
		sv.Time = counterStart + mustDuration(t, words[2])
	}
	if len(words) == 4 {
		sv.Reset = Reset{From: mustUnits(t, words[2]), To: mustUnits(t, words[3]), Set: true}
	}
	filed := s.AddService(sv)
	if m == EngineHours {
		return showSettled(filed.Hours)
	}
	return showSettled(filed.KM)
}

func showSettled(v Settled) string {
	var out []string
	if v.Known {
		out = append(out, show(v.Value))
	}
	if v.Derived {
		out = append(out, "derived")
	}
	if v.Pending {
		out = append(out, "pending")
	}
	return strings.Join(out, " ")
}

func show(v int64) string { return strconv.FormatFloat(Units(v), 'f', -1, 64) }

func mustDuration(t *testing.T, s string) int64 {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d.Milliseconds()
}

func mustUnits(t *testing.T, s string) int64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return Metres(v)
}
