package rules

import (
	"fmt"
)

// defaultMaxAge is max_age where a rule gives none: 1 h (S15).
const defaultMaxAge = 3600_000

// rule loads one entry of `rules`.
func (l *loader) rule(n *node) {
	m := l.fields(n, ruleKeys())
	if m == nil {
		return
	}
	id, ok := l.identifier(m, n, "a rule")
	if !ok {
		return
	}
	r := &Rule{ID: id, Severity: Advisory, MaxAge: defaultMaxAge, key: hash64("rule", id)}
	l.claim(m["id"], "rule", id, r.key)
	if v, ok := m["title"]; ok {
		r.Title = l.titles(v, "title")
	}
	l.ruleConditions(r, m, n)
	l.ruleTimes(r, m)
	if v, ok := m["severity"]; ok {
		if s, ok := l.choice(v, "severity", []string{string(Info), string(Advisory), string(Warning), string(Critical)}, nil); ok {
			r.Severity = Severity(s)
		}
	}
	if v, ok := m["kind"]; ok {
		r.Kind, _ = l.text(v, "kind")
	}
	if v, ok := m["shadow"]; ok {
		r.Shadow = l.flag(v, "shadow")
	}
	r.Notify = defaultAudience(r.Severity)
	if v, ok := m["notify"]; ok {
		r.Notify = l.audience(v)
	}
	if v, ok := m["message"]; ok {
		l.ruleMessages(r, v)
	}
	if len(l.problems) > 0 || r.when == nil {
		return // the program will not be used; go on for the other mistakes
	}
	r.meaning, r.index = r.meaningOf(), len(l.program.Rules)
	l.program.Rules = append(l.program.Rules, r)
}

// ruleConditions compiles when, until and applies_to and fixes what the rule means (S48).
func (l *loader) ruleConditions(r *Rule, m map[string]*node, n *node) {
	if v, ok := m["when"]; ok {
		r.when = l.condition(v, "when")
	} else if !n.hasAny(ruleKeys().later) {
		l.at(n, fmt.Sprintf("rule %q without when", r.ID), "a condition")
	}
	if v, ok := m["until"]; ok {
		r.until = l.condition(v, "until")
	}
	if v, ok := m["applies_to"]; ok {
		r.appliesTo = l.profileCondition(v, "applies_to")
	}
}

func (l *loader) ruleTimes(r *Rule, m map[string]*node) {
	for _, d := range []struct {
		name string
		to   *int64
	}{{"for", &r.For}, {"cooldown", &r.Cooldown}, {"max_age", &r.MaxAge}} {
		if v, ok := m[d.name]; ok {
			if ms, ok := l.duration(v, d.name); ok {
				*d.to = ms
			}
		}
	}
}

// defaultAudience is who is told by a rule without notify (S16).
func defaultAudience(s Severity) Audience {
	switch s {
	case Info:
		return Audience{}
	case Advisory:
		return Audience{Dealer: true}
	default:
		return Audience{Owner: true, Dealer: true}
	}
}

// audience loads {owner: now|none, dealer: lead|none}; a missing party is none (S16).
func (l *loader) audience(n *node) Audience {
	var a Audience
	m := l.fields(n, audienceKeys())
	if v, ok := m["owner"]; ok {
		s, _ := l.choice(v, "owner", []string{"now", "none"}, nil)
		a.Owner = s == "now"
	}
	if v, ok := m["dealer"]; ok {
		s, _ := l.choice(v, "dealer", []string{"lead", "none"}, []string{"now"})
		a.Dealer = s == "lead"
	}
	return a
}

func (l *loader) ruleMessages(r *Rule, n *node) {
	m := l.fields(n, messageKeys())
	if v, ok := m["owner"]; ok {
		r.owner = l.messages(v, "message.owner")
	}
	if v, ok := m["dealer"]; ok {
		r.dealer = l.messages(v, "message.dealer")
	}
}

// messages compiles templates by language; a name no signal has is a mistake here, not at 3 a.m.
func (l *loader) messages(n *node, what string) []message {
	var out []message
	for _, t := range l.titles(n, what) {
		tpl, names, err := parseTemplate(t.text)
		if err != nil {
			l.at(t.at, fmt.Sprintf("%s: %v", what, err), "places of the form {{.signal}} or {{.vehicle.name}}")
			continue
		}
		for _, name := range names {
			l.templateName(t.at, name)
		}
		out = append(out, message{lang: t.lang, template: tpl})
	}
	return out
}
