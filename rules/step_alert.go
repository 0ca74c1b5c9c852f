package rules

import (
	"slices"

	"github.com/milepost-io/milepost/rules/cond"
	"github.com/milepost-io/milepost/rules/plan"
)

// fire opens an alert (S13, S15, S16).
func (s *Step) fire(st *ruleState, r *Rule, tau int64) {
	st.State, st.FiredAt = firing, tau
	st.Flags = 0
	s.in.stateChanged = true
	if r.Shadow {
		s.in.count("rule_shadow", r.ID, 1)
		s.note(TimelineEntry{Kind: "shadow", Rule: r.ID})
		return
	}
	if slices.Contains(st.Emitted[:], st.T0) {
		return // the tuple left before: the state goes on, nothing leaves (S17)
	}
	s.in.count("rule_fired", r.ID, 1)
	copy(st.Emitted[:], st.Emitted[1:])
	st.Emitted[len(st.Emitted)-1] = st.T0
	st.Flags = announced
	alert := openAlert{
		Alert: alertID(s.identity(), r.ID, st.T0), Rule: r.ID, Severity: r.Severity, Title: r.Title,
		Since: s.in.at, T0: st.T0, Owner: r.Notify.Owner, Dealer: r.Notify.Dealer, Evidence: s.evidence(r.when),
	}
	open := s.openDoc()
	open.Alerts = append(open.Alerts, alert)
	s.in.alerts = append(s.in.alerts, Event{
		ID: transitionID(s.identity(), r.ID, st.T0, "firing"), Type: "milepost.alert.firing", Alert: alert.Alert,
		Time: s.in.at, Severity: string(r.Severity), Rule: r.ID, Version: s.rules.version,
		Title: alert.Title, Text: s.render(r.owner), DealerText: s.render(r.dealer),
		ToOwner: r.Notify.Owner, ToDealer: r.Notify.Dealer, Critical: r.Severity == Critical,
		Late: !s.in.timer && s.in.now-s.in.at > r.MaxAge, Evidence: alert.Evidence,
	})
}

// resolve ends an alert. r is nil when the rule is gone (S48); then its open document still names it.
func (s *Step) resolve(st *ruleState, r *Rule, reason string) {
	t0, wasAnnounced := st.T0, st.Flags&announced != 0
	st.State, st.Flags = idle, 0
	s.in.stateChanged = true
	if !wasAnnounced {
		return
	}
	s.in.cleared = append(s.in.cleared, st.Key)
	open := s.openDoc()
	alert := open.alert(t0, func(id string) bool { return hash64("rule", id) == st.Key })
	if alert == nil {
		return
	}
	ev := Event{
		ID: transitionID(s.identity(), alert.Rule, t0, "resolved"), Type: "milepost.alert.resolved", Alert: alert.Alert,
		Time: s.in.at, Severity: string(alert.Severity), Rule: alert.Rule, Version: s.rules.version, Title: alert.Title,
		ToOwner: alert.Owner, ToDealer: alert.Dealer, Critical: alert.Severity == Critical, Silent: true, Reason: reason,
	}
	if r != nil && reason == "" {
		c := r.when
		if r.until != nil {
			c = r.until
		}
		ev.Evidence = s.evidence(c)
	}
	open.closeAlert(alert.Alert)
	s.in.alerts = append(s.in.alerts, ev)
}

// evidence is the values a condition read, as they stand (S17).
func (s *Step) evidence(c *cond.Cond) []Evidence {
	var out []Evidence
	for _, signal := range c.Signals() {
		if e, ok := s.valueOf(signal); ok {
			out = append(out, e)
		}
	}
	for _, i := range c.Facts() {
		if f := &s.v.facts[i]; f.Kind != uint32(cond.Absent) {
			out = append(out, Evidence{Signal: s.prog.env.Facts()[i], Value: s.v.factValue(f), Time: s.v.ContactAt})
		}
	}
	return out
}

// factValue is a fact as events show it.
func (v *vehicle) factValue(f *fact) any {
	switch cond.FactKind(f.Kind) {
	case cond.Number:
		return f.Num
	case cond.Bool:
		return f.Num != 0
	default:
		return string(v.strings[f.From : f.From+f.Len])
	}
}

// valueOf is the newest sample of a signal.
func (s *Step) valueOf(signal int) (Evidence, bool) {
	sig := s.prog.catalogue.Signal(signal)
	if k := s.v.set(sig.ID); k >= 0 {
		return Evidence{Signal: sig.Name, Value: codeNames(s.v.codesOf(k)), Time: s.v.sets[k].At}, true
	}
	sl := s.v.slot(sig.ID)
	if sl == nil {
		return Evidence{}, false
	}
	return Evidence{Signal: sig.Name, Value: signalValue(sig.Kind, sl.Value), Time: sl.At}, true
}

// readings are what items are measured by: the accepted odometer and engine hours, the day that has
// started.
func (s *Step) readings(items []ItemRef) []Evidence {
	var out []Evidence
	if s.v.Odometer.Known {
		out = append(out, Evidence{Signal: "odometer", Value: plan.Units(s.v.Odometer.Value), Time: s.v.Odometer.At})
	}
	if s.v.EngineHours.Known && slices.ContainsFunc(items, func(i ItemRef) bool { return i.RestHours != nil }) {
		out = append(out, Evidence{Signal: "engine_hours", Value: plan.Units(s.v.EngineHours.Value), Time: s.v.EngineHours.At})
	}
	if slices.ContainsFunc(items, func(i ItemRef) bool { return i.RestDays != nil }) {
		out = append(out, Evidence{Signal: "date", Value: s.v.Today.String(), Time: s.in.now})
	}
	return out
}

// render fills in the messages of a rule, by language.
func (s *Step) render(messages []message) map[string]string {
	if len(messages) == 0 {
		return nil
	}
	out := make(map[string]string, len(messages))
	for i := range messages {
		out[messages[i].lang] = messages[i].render(s.appendValue)
	}
	return out
}
