package sim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/sim/oracle"
)

// Scenario is one input for both sides.
type Scenario struct {
	Name    string
	Files   []oracle.File
	Zone    string
	Lines   []string
	Reloads []oracle.Reload
	Until   int64 // Unix ms; oracle.NoUntil: the last record ends it
	Expect  []string
	// Outcomes is "applied duplicate late quarantined" where a case says so.
	Outcomes string
	// Differs says what the engine still does otherwise; empty when both agree.
	Differs string
}

// Parse reads a scenario file: sections that begin with "-- name --". rules and *.yaml are rule files, events are the
// input lines, expect is what must come (see Brief), settings are "key value" lines (zone, until, outcomes). A section
// "reload" followed by rule files puts these in force before the next events section.
func Parse(name, text string) (*Scenario, error) {
	s := &Scenario{Name: name, Until: oracle.NoUntil}
	var reload *oracle.Reload
	for i, section := range strings.Split("\n"+text, "\n-- ") {
		head, body, _ := strings.Cut(section, "\n")
		head = strings.TrimSuffix(strings.TrimSpace(head), " --")
		switch {
		case i == 0:
		case strings.HasSuffix(head, ".yaml"):
			f := oracle.File{Name: head, Content: body + "\n"}
			if reload != nil {
				reload.Files = append(reload.Files, f)
			} else {
				s.Files = append(s.Files, f)
			}
		case head == "events":
			if reload != nil {
				reload.Before = len(s.Lines)
				s.Reloads = append(s.Reloads, *reload)
				reload = nil
			}
			s.Lines = append(s.Lines, lines(body)...)
		case head == "reload":
			reload = &oracle.Reload{}
		case head == "expect":
			s.Expect = lines(body)
		case head == "settings":
			if err := s.settings(lines(body)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		default:
			return nil, fmt.Errorf("%s: section %q: expected events, expect, settings, reload or a .yaml file", name, head)
		}
	}
	if reload != nil {
		reload.Before = len(s.Lines)
		s.Reloads = append(s.Reloads, *reload)
	}
	return s, nil
}

func lines(body string) []string {
	var out []string
	for l := range strings.SplitSeq(body, "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

func (s *Scenario) settings(all []string) error {
	for _, l := range all {
		key, value, _ := strings.Cut(l, " ")
		switch key {
		case "zone":
			s.Zone = value
		case "until":
			t, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return err
			}
			s.Until = t.UnixMilli()
		case "differs":
			s.Differs = value
		case "outcomes":
			s.Outcomes = value
		default:
			return fmt.Errorf("setting %q: expected zone, until, outcomes or differs", key)
		}
	}
	return nil
}

// Format writes the scenario as Parse reads it.
func (s *Scenario) Format() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n-- settings --\n", s.Name)
	if s.Zone != "" {
		fmt.Fprintf(&b, "zone %s\n", s.Zone)
	}
	if s.Until != math.MinInt64 {
		fmt.Fprintf(&b, "until %s\n", time.UnixMilli(s.Until).UTC().Format(time.RFC3339))
	}
	for _, f := range s.Files {
		fmt.Fprintf(&b, "-- %s --\n%s", f.Name, f.Content)
	}
	from := 0
	for _, r := range s.Reloads {
		fmt.Fprintf(&b, "-- events --\n%s\n-- reload --\n", strings.Join(s.Lines[from:r.Before], "\n"))
		for _, f := range r.Files {
			fmt.Fprintf(&b, "-- %s --\n%s", f.Name, f.Content)
		}
		from = r.Before
	}
	fmt.Fprintf(&b, "-- events --\n%s\n", strings.Join(s.Lines[from:], "\n"))
	return b.String()
}

// Brief writes a line in one row, with what tells it from others: "type subject time items … to owner".
func Brief(l oracle.Line) string {
	b := []string{strings.TrimPrefix(l.Type, "milepost."), l.Subject, stamp(l.Time)}
	for _, it := range l.Items {
		b = append(b, it.ID+"="+it.State)
	}
	if l.Rule != "" {
		b = append(b, "rule="+l.Rule)
	}
	for _, c := range l.Causes {
		if c.Rule != "" {
			b = append(b, "cause="+c.Rule)
		} else {
			b = append(b, "cause="+c.Item+":"+c.Level)
		}
	}
	if l.Reason != "" {
		b = append(b, "reason="+l.Reason)
	}
	if l.Silent {
		b = append(b, "silent")
	}
	if l.Late {
		b = append(b, "late")
	}
	b = append(b, "to="+l.To)
	if l.Held != "" {
		b = append(b, "held="+l.Held)
	}
	if l.Joined != "" {
		b = append(b, "joined")
	}
	if l.Released != 0 {
		b = append(b, "released="+stamp(l.Released))
	}
	return strings.Join(b, " ")
}

func stamp(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

func outcomes(o oracle.Outcomes) string {
	n := strconv.Itoa
	return strings.Join([]string{n(o.Applied), n(o.Duplicate), n(o.Late), n(o.Quarantined)}, " ")
}
