package rules

import (
	"fmt"

	"github.com/milepost-io/milepost/ingest/strictyaml"
)

// defaultPolicy is what holds where the files say nothing (S30, S43, S45).
func defaultPolicy() Policy {
	return Policy{GroupWaitMS: 600_000, ConsentGranted: true, DayStartsMin: 9 * 60}
}

// PolicyOf reads the policy out of rule files and leaves the rest of them alone: an activation has been
// checked as a whole before it becomes a record (E10), and the stage that needs its policy runs no rule.
func PolicyOf(files []File) (Policy, error) {
	l := &loader{program: &Program{Policy: defaultPolicy()}, claimed: map[claim]*strictyaml.Node{}}
	for _, s := range l.parse(files) {
		if s.name == "policy" {
			l.section(s)
		}
	}
	return l.program.Policy, l.Err()
}

// policy loads the part of a policy that this version reads. Several files may have one, as long as each
// key stands once.
func (l *loader) policy(n *strictyaml.Node) {
	m := l.Fields(n, policyKeys())
	for _, f := range n.Fields {
		if m[f.Name] != nil {
			l.claim(f.Value, "policy", f.Name, hash64("policy", f.Name))
		}
	}
	if v, ok := m["group"]; ok {
		if g, ok := l.Fields(v, groupKeys())["wait"]; ok {
			if d, ok := l.Duration(g, "group.wait"); ok {
				l.program.Policy.GroupWaitMS = d.Milliseconds()
			}
		}
	}
	if v, ok := m["consent_default"]; ok {
		s, _ := l.Choice(v, "consent_default", []string{"granted", "denied"}, nil)
		l.program.Policy.ConsentGranted = s != "denied"
	}
	if v, ok := m["day_starts"]; ok {
		if min, ok := parseClock(v.Text); ok && v.Kind == strictyaml.Text {
			l.program.Policy.DayStartsMin = min
		} else {
			l.At(v, fmt.Sprintf("day_starts is %q", v.Text), `a time of day in quotes, "00:00" to "23:59"`)
		}
	}
}

// parseClock reads HH:MM as minutes after midnight.
func parseClock(s string) (int, bool) {
	var h, m int
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	for i, d := range []byte(s) {
		if i != 2 && (d < '0' || d > '9') {
			return 0, false
		}
	}
	h, m = int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	return h*60 + m, h < 24 && m < 60
}
