package rules

import "fmt"

// defaultPolicy is what holds where the files say nothing (S30, S43, S45).
func defaultPolicy() Policy {
	return Policy{GroupWaitMS: 600_000, ConsentGranted: true, DayStartsMin: 9 * 60}
}

// policy loads the part of a policy that this version reads. Several files may have one, as long as each
// key stands once.
func (l *loader) policy(n *node) {
	m := l.fields(n, policyKeys())
	for _, f := range n.fields {
		if m[f.name] != nil {
			l.claim(f.value, "policy", f.name, hash64("policy", f.name))
		}
	}
	if v, ok := m["group"]; ok {
		if g, ok := l.fields(v, groupKeys())["wait"]; ok {
			if ms, ok := l.duration(g, "group.wait"); ok {
				l.program.Policy.GroupWaitMS = ms
			}
		}
	}
	if v, ok := m["consent_default"]; ok {
		s, _ := l.choice(v, "consent_default", []string{"granted", "denied"}, nil)
		l.program.Policy.ConsentGranted = s != "denied"
	}
	if v, ok := m["day_starts"]; ok {
		if min, ok := parseClock(v.text); ok && v.kind == textNode {
			l.program.Policy.DayStartsMin = min
		} else {
			l.at(v, fmt.Sprintf("day_starts is %q", v.text), `a time of day in quotes, "00:00" to "23:59"`)
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
