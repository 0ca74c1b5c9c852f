package rules

import (
	"fmt"

	"github.com/milepost-io/milepost/ingest/strictyaml"
)

// defaultMaxAge is max_age where a rule gives none: 1 h (S15).
const defaultMaxAge = 3600_000

// rule loads one entry of `rules`.
func (l *loader) rule(n *strictyaml.Node) {
	m := l.Fields(n, ruleKeys())
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
		r.Title = byLanguage(l.Localized(v, "title"))
	}
	l.ruleConditions(r, m, n)
	l.ruleTimes(r, m)
	if v, ok := m["severity"]; ok {
		if s, ok := l.Choice(v, "severity", []string{string(Info), string(Advisory), string(Warning), string(Critical)}, nil); ok {
			r.Severity = Severity(s)
		}
	}
	if v, ok := m["kind"]; ok {
		r.Kind, _ = l.Text(v, "kind")
	}
	if v, ok := m["shadow"]; ok {
		r.Shadow = l.Flag(v, "shadow")
	}
	r.Notify = defaultAudience(r.Severity)
	if v, ok := m["notify"]; ok {
		r.Notify = l.audience(v)
	}
	if v, ok := m["message"]; ok {
		l.ruleMessages(r, v)
	}
	if len(l.Problems) > 0 || r.when == nil {
		return // the program will not be used; go on for the other mistakes
	}
	r.meaning, r.index = r.meaningOf(), len(l.program.Rules)
	l.program.Rules = append(l.program.Rules, r)
}

// ruleConditions compiles when, until and applies_to and fixes what the rule means (S48).
func (l *loader) ruleConditions(r *Rule, m map[string]*strictyaml.Node, n *strictyaml.Node) {
	if v, ok := m["when"]; ok {
		r.when = l.condition(v, "when")
	} else if !n.HasAny(ruleKeys().Later) {
		l.At(n, fmt.Sprintf("rule %q without when", r.ID), "a condition")
	}
	if v, ok := m["until"]; ok {
		r.until = l.condition(v, "until")
	}
	if v, ok := m["applies_to"]; ok {
		r.appliesTo = l.profileCondition(v, "applies_to")
	}
}

func (l *loader) ruleTimes(r *Rule, m map[string]*strictyaml.Node) {
	for _, t := range []struct {
		name string
		to   *int64
	}{{"for", &r.For}, {"cooldown", &r.Cooldown}, {"max_age", &r.MaxAge}} {
		if v, ok := m[t.name]; ok {
			if d, ok := l.Duration(v, t.name); ok {
				*t.to = d.Milliseconds()
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
func (l *loader) audience(n *strictyaml.Node) Audience {
	var a Audience
	m := l.Fields(n, audienceKeys())
	if v, ok := m["owner"]; ok {
		s, _ := l.Choice(v, "owner", []string{"now", "none"}, nil)
		a.Owner = s == "now"
	}
	if v, ok := m["dealer"]; ok {
		s, _ := l.Choice(v, "dealer", []string{"lead", "none"}, []string{"now"})
		a.Dealer = s == "lead"
	}
	return a
}

func (l *loader) ruleMessages(r *Rule, n *strictyaml.Node) {
	m := l.Fields(n, messageKeys())
	if v, ok := m["owner"]; ok {
		r.owner = l.messages(v, "message.owner")
	}
	if v, ok := m["dealer"]; ok {
		r.dealer = l.messages(v, "message.dealer")
	}
}

// messages compiles templates by language; a name no signal has is a mistake here, not at 3 a.m.
func (l *loader) messages(n *strictyaml.Node, what string) []message {
	var out []message
	for _, t := range l.Localized(n, what) {
		tpl, names, err := parseTemplate(t.Text)
		if err != nil {
			l.At(t.Node, fmt.Sprintf("%s: %v", what, err), "places of the form {{.signal}} or {{.vehicle.name}}")
			continue
		}
		for _, name := range names {
			l.templateName(t.Node, what, name)
		}
		out = append(out, message{lang: t.Language, template: tpl})
	}
	return out
}

// byLanguage is texts as the map that events carry.
func byLanguage(ts []strictyaml.Localized) map[string]string {
	if len(ts) == 0 {
		return nil
	}
	out := make(map[string]string, len(ts))
	for _, t := range ts {
		out[t.Language] = t.Text
	}
	return out
}
