package sim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-io/milepost/cmd/internal/sim/oracle"
)

// Difference is where engine and oracle first part for one vehicle.
type Difference struct {
	VIN            string
	What           string
	Engine, Oracle string
}

func (d *Difference) String() string {
	return fmt.Sprintf("%s: %s\n  engine: %s\n  oracle: %s", d.VIN, d.What, d.Engine, d.Oracle)
}

// Oracle runs a scenario through the oracle.
func Oracle(s *Scenario, catalogue []byte) (oracle.Result, error) {
	return oracle.Run(oracle.Input{Files: s.Files, Catalogue: catalogue, Zone: s.Zone, Lines: s.Lines, Until: s.Until, Reloads: s.Reloads})
}

// Compare runs both sides and returns the first difference, nil when there is none.
func Compare(s *Scenario, catalogue []byte, n Shards, roundTrip bool) (*Difference, error) {
	want, err := Oracle(s, catalogue)
	if err != nil {
		return nil, fmt.Errorf("oracle: %w", err)
	}
	got, counts, err := Engine(s, n, roundTrip)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if d := differ(got, want.Lines, false); d != nil {
		return d, nil
	}
	if counts != want.Outcomes {
		return &Difference{What: "applied, duplicate, late, quarantined", Engine: outcomes(counts), Oracle: outcomes(want.Outcomes)}, nil
	}
	return nil, nil
}

// differ compares per vehicle, line by line; identifiers by a bijection. Not strict: without what forgive levels.
func differ(engine, oracle_ []oracle.Line, strict bool) *Difference {
	ids, alerts := newBijection(), newBijection()
	byEngine, vins := byVehicle(engine)
	byOracle, more := byVehicle(oracle_)
	for _, vin := range append(vins, more...) {
		e, o := byEngine[vin], byOracle[vin]
		ended(e)
		ended(o)
		for i := range max(len(e), len(o)) {
			if !strict {
				forgive(e, i)
				forgive(o, i)
			}
			d := &Difference{VIN: vin, What: fmt.Sprintf("line %d", i+1), Engine: "-", Oracle: "-"}
			if i < len(e) {
				d.Engine = Brief(e[i])
			}
			if i < len(o) {
				d.Oracle = Brief(o[i])
			}
			if d.Engine != d.Oracle {
				return d
			}
			switch {
			case !ids.pair(e[i].ID, o[i].ID):
				d.What += ": id"
			case !alerts.pair(e[i].Alert, o[i].Alert):
				d.What += ": data.alert"
			case !ids.pair(e[i].Joined, o[i].Joined):
				d.What += ": joined"
			default:
				continue
			}
			d.Engine += " " + e[i].ID + " " + e[i].Alert + " " + e[i].Joined
			d.Oracle += " " + o[i].ID + " " + o[i].Alert + " " + o[i].Joined
			return d
		}
	}
	return nil
}

// forgive levels the differences that testdata/found/003 (order of items that left the plan) and 005 (reason of a
// closed lead) are about, so that they do not hide others.
func forgive(all []oracle.Line, i int) {
	if i >= len(all) {
		return
	}
	switch l := &all[i]; l.Type {
	case "milepost.reminder.cancelled":
		slices.SortFunc(l.Items, func(a, b oracle.Item) int { return strings.Compare(a.ID, b.ID) })
		l.Alert = ""
	case "milepost.lead.closed":
		l.Reason = ""
	}
}

// ended sorts the alerts that one reload ends: a removed rule has no position any more (S7, S48).
func ended(all []oracle.Line) {
	byReload := func(l oracle.Line) bool { return l.Reason == "rule_removed" || l.Reason == "rule_changed" }
	for i := 0; i < len(all); i++ {
		j := i
		for j < len(all) && byReload(all[j]) && all[j].Time == all[i].Time {
			j++
		}
		if j > i {
			slices.SortStableFunc(all[i:j], func(a, b oracle.Line) int { return strings.Compare(a.Rule, b.Rule) })
			i = j - 1
		}
	}
}

func byVehicle(all []oracle.Line) (map[string][]oracle.Line, []string) {
	out := map[string][]oracle.Line{}
	var vins []string
	for _, l := range all {
		if out[l.Subject] == nil {
			vins = append(vins, l.Subject)
		}
		out[l.Subject] = append(out[l.Subject], l)
	}
	return out, vins
}

// bijection holds two vocabularies together: equal on one side exactly when equal on the other.
type bijection struct{ to, from map[string]string }

func newBijection() *bijection { return &bijection{map[string]string{}, map[string]string{}} }

func (b *bijection) pair(x, y string) bool {
	if old, known := b.to[x]; known {
		return old == y
	}
	if _, known := b.from[y]; known {
		return false
	}
	b.to[x], b.from[y] = y, x
	return true
}

// Shrink drops lines, reloads, rules and items while the scenario still fails.
func Shrink(s *Scenario, fails func(*Scenario) bool) *Scenario {
	for changed := true; changed; {
		changed = false
		for chunk := max(1, len(s.Lines)/2); chunk >= 1; chunk /= 2 {
			for i := 0; i+chunk <= len(s.Lines); {
				smaller := s.without(i, chunk)
				if fails(smaller) {
					s, changed = smaller, true
				} else {
					i += chunk
				}
			}
		}
		for i := range s.Reloads {
			smaller := *s
			smaller.Reloads = append(append([]oracle.Reload{}, s.Reloads[:i]...), s.Reloads[i+1:]...)
			if fails(&smaller) {
				s, changed = &smaller, true
				break
			}
		}
		for i := 0; i < len(s.Files); i++ {
			for at := 0; at < strings.Count(s.Files[i].Content, "\n"); {
				if smaller := s.withoutRule(i, at); fails(smaller) {
					s, changed = smaller, true
				} else {
					at++
				}
			}
		}
		for i := range s.Lines {
			for _, smaller := range s.simpler(i) {
				if fails(smaller) {
					s, changed = smaller, true
					break
				}
			}
		}
	}
	return s
}

func (s *Scenario) without(at, n int) *Scenario {
	out := *s
	out.Lines = append(append([]string{}, s.Lines[:at]...), s.Lines[at+n:]...)
	out.Reloads = nil
	for _, r := range s.Reloads {
		if r.Before > at {
			r.Before = max(at, r.Before-n)
		}
		out.Reloads = append(out.Reloads, r)
	}
	return &out
}

// withoutRule leaves out one line of a rule file with everything indented below it.
func (s *Scenario) withoutRule(file, at int) *Scenario {
	all := strings.SplitAfter(s.Files[file].Content, "\n")
	depth := func(l string) int { return len(l) - len(strings.TrimLeft(l, " ")) }
	end := at + 1
	for end < len(all) && strings.TrimSpace(all[end]) != "" && depth(all[end]) > depth(all[at]) {
		end++
	}
	out := *s
	out.Files = append([]oracle.File{}, s.Files...)
	out.Files[file].Content = strings.Join(append(append([]string{}, all[:at]...), all[end:]...), "")
	return &out
}

// simpler are the scenarios with one member less in one line's signals or profile.
func (s *Scenario) simpler(i int) []*Scenario {
	var tree map[string]json.RawMessage
	if json.Unmarshal([]byte(s.Lines[i]), &tree) != nil {
		return nil
	}
	var out []*Scenario
	for _, field := range []string{"signals", "profile"} {
		var members map[string]json.RawMessage
		if json.Unmarshal(tree[field], &members) != nil {
			continue
		}
		for name := range members {
			line := s.Lines[i]
			cut := fmt.Sprintf("%q:%s", name, members[name])
			line = strings.Replace(line, ","+cut, "", 1)
			if line == s.Lines[i] {
				line = strings.Replace(line, cut+",", "", 1)
			}
			if line == s.Lines[i] {
				continue
			}
			smaller := *s
			smaller.Lines = append([]string{}, s.Lines...)
			smaller.Lines[i] = line
			out = append(out, &smaller)
		}
	}
	return out
}

// Show prints a failed scenario with the fate of each line of that vehicle.
func Show(s *Scenario, d *Difference, catalogue []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", d)
	b.WriteString(s.Format())
	if res, err := Oracle(s, catalogue); err == nil {
		b.WriteString("-- fates (oracle) --\n")
		for i, f := range res.Fates {
			fmt.Fprintf(&b, "%d %s\n", i+1, f)
		}
		for _, l := range res.Lines[max(0, len(res.Lines)-12):] {
			fmt.Fprintf(&b, "oracle: %s\n", Brief(l))
		}
	}
	if lines, counts, err := Engine(s, Shards{1, 1}, false); err == nil {
		fmt.Fprintf(&b, "engine: %s\n", outcomes(counts))
		for _, l := range lines[max(0, len(lines)-12):] {
			fmt.Fprintf(&b, "engine: %s\n", Brief(l))
		}
	}
	return b.String()
}
