package oracle

import "fmt"

// ruleState is a rule's memory for one vehicle.
type ruleState struct {
	rule           *rule
	pending        bool
	firing         bool
	t0             int64
	fired          bool
	muted          bool // fired before at the same t0 (S17)
	lastFiring     int64
	appliedMeaning string
}

// conditions runs the rules of S11 to S17 in file order.
func (s *step) conditions() []*event {
	var out []*event
	for _, r := range s.v.w.set.rules {
		if s.evaluates(r) {
			out = append(out, s.evaluate(r)...)
		}
	}
	return out
}

// evaluates is S11.
func (s *step) evaluates(r *rule) bool {
	if s.hour {
		return r.hourly()
	}
	if s.timer || s.activation {
		return false
	}
	for _, c := range r.parts() {
		for name := range c.signals {
			if s.present[name] {
				return true
			}
		}
		for path := range c.facts {
			if s.factChanged(path) {
				return true
			}
		}
		for id := range c.items {
			if s.baselines[id] {
				return true
			}
		}
	}
	return false
}

// moment: at a full hour the clock stands for τ (S11), otherwise S9.
func (s *step) moment() moment {
	m := moment{tau: s.v.tau, present: s.present}
	if s.hour {
		m.tau = s.clock
	} else if !s.v.hasTau {
		m.tau = s.clock
	}
	return m
}

func (s *step) evaluate(r *rule) []*event {
	v, m := s.v, s.moment()
	st := v.rules[r.id]
	if st == nil {
		st = &ruleState{appliedMeaning: r.meaning()}
		v.rules[r.id] = st
	}
	st.rule = r
	if r.appliesTo != nil && v.eval(r.appliesTo, m) != true { // S12
		st.pending = false
		if st.firing {
			return s.resolve(r, st, "not_applicable")
		}
		return nil
	}
	if st.firing { // S14
		if r.until != nil && v.eval(r.until, m) == true || r.until == nil && v.eval(r.when, m) == false {
			return s.resolve(r, st, "")
		}
		return nil
	}
	when := v.eval(r.when, m) // S13
	if when == false {
		st.pending = false
		return nil
	}
	if when == nil {
		return nil
	}
	if !st.pending {
		st.pending, st.t0 = true, m.tau
	}
	if m.tau < st.t0+r.forMS || st.fired && m.tau < st.lastFiring+r.cooldownMS {
		return nil
	}
	st.pending, st.firing, st.fired, st.lastFiring = false, true, true, m.tau
	st.muted = v.emitted[v.alertTuple(r, st)+" firing"]
	return s.alertEvent(r, st, "firing", "")
}

func (s *step) resolve(r *rule, st *ruleState, reason string) []*event {
	st.firing = false
	s.resolved[s.v.alertTuple(r, st)] = true
	return s.alertEvent(r, st, "resolved", reason)
}

// alertTuple is S17.
func (v *vehicle) alertTuple(r *rule, st *ruleState) string {
	return fmt.Sprintf("alert %s %s t0=%d", v.id, r.id, st.t0)
}

// alertEvent makes the event of one transition, unless it was made before (S17) or the rule is a shadow (S16).
func (s *step) alertEvent(r *rule, st *ruleState, transition, reason string) []*event {
	alert := s.v.alertTuple(r, st)
	id := alert + " " + transition
	if r.shadow || s.v.emitted[id] {
		return nil
	}
	s.v.emitted[id] = true
	e := &event{
		line:     Line{ID: id, Type: "milepost.alert." + transition, Subject: s.v.vin, Time: s.e, Alert: alert, Rule: r.id, Reason: reason},
		alerts:   []string{alert},
		closes:   transition == "resolved",
		critical: r.critical,
		toOwner:  r.toOwner,
	}
	if transition == "firing" && s.clock-s.e > r.maxAgeMS { // S15
		e.line.Late, e.tooLate = true, true
	}
	e.line.Silent = e.closes
	return []*event{e}
}

// reload is S48: a changed or removed rule ends its open alert.
func (s *step) reload() []*event {
	var out []*event
	v := s.v
	now := map[string]*rule{}
	for _, r := range v.w.set.rules {
		now[r.id] = r
	}
	var order []*rule // the removed ones, which have no position any more, first
	for _, removed := range []bool{true, false} {
		for _, old := range v.w.oldRules {
			if (now[old.id] == nil) == removed {
				order = append(order, old)
			}
		}
	}
	for _, old := range order {
		st := v.rules[old.id]
		if st == nil {
			continue
		}
		r := now[old.id]
		if r != nil && r.meaning() == st.appliedMeaning {
			continue
		}
		reason := "rule_changed"
		if r == nil {
			reason = "rule_removed"
		}
		if st.firing {
			out = append(out, s.resolve(st.rule, st, reason)...)
		}
		st.pending = false
		if r == nil {
			delete(v.rules, old.id)
		} else {
			st.appliedMeaning = r.meaning()
		}
	}
	return out
}

// cause is why a lead is open (S44).
type cause struct {
	key     string // (item, baseline) or (rule, t0)
	item    string
	level   int
	rule    string
	isAlert bool
}

// openCauses are the causes after the step: items in plan order, then rules.
func (v *vehicle) openCauses() []cause {
	var out []cause
	if p := v.plan(); p != nil {
		for _, t := range p.Items {
			it := v.items[t.ID]
			if it == nil || it.level == levelOK {
				continue
			}
			if _, lead := p.tells(it.level); lead {
				out = append(out, cause{key: t.ID + " " + it.label, item: t.ID, level: it.level})
			}
		}
	}
	for _, r := range v.w.set.rules {
		st := v.rules[r.id]
		if st != nil && st.firing && !st.muted && r.lead && !r.shadow {
			out = append(out, cause{key: v.alertTuple(r, st), rule: r.id, isAlert: true})
		}
	}
	return out
}

// lead is S44, and S46 for a new dealer.
func (s *step) lead() []*event {
	v := s.v
	before, after := v.causes, v.openCauses()
	v.causes = after
	dealer, _ := v.profile["dealer"].(string)
	moved := dealer != v.dealer
	old := v.dealer
	v.dealer = dealer
	switch {
	case len(before) == 0 && len(after) == 0:
		return nil
	case len(before) == 0:
		return []*event{s.leadEvent("created", after, "", dealer)}
	case len(after) == 0:
		return []*event{s.leadEvent("closed", nil, s.closedReason(before), old)}
	case moved:
		return []*event{s.leadEvent("closed", nil, "cancelled", old), s.leadEvent("created", after, "", dealer)}
	}
	was := map[string]int{}
	for _, c := range before {
		was[c.key] = 1 + c.level
	}
	for _, c := range after {
		if 1+c.level > was[c.key] {
			return []*event{s.leadEvent("updated", after, "", dealer)}
		}
	}
	return nil
}

// closedReason is what ended the last cause (S44).
func (s *step) closedReason(before []cause) string {
	reason := "cancelled"
	for _, c := range before {
		if s.done[c.key] {
			return "serviced"
		}
		if s.resolved[c.key] {
			reason = "cleared"
		}
	}
	return reason
}

func (s *step) leadEvent(what string, causes []cause, reason, dealer string) *event {
	v := s.v
	v.w.leads++
	e := &event{
		line:   Line{ID: fmt.Sprintf("lead %s %d", v.vin, v.w.leads), Type: "milepost.lead." + what, Subject: v.vin, Time: s.e, Reason: reason, To: "dealer"},
		lead:   true,
		dealer: dealer,
	}
	for _, c := range causes {
		if c.isAlert {
			e.line.Causes = append(e.line.Causes, Cause{Rule: c.rule})
		} else {
			e.line.Causes = append(e.line.Causes, Cause{Item: c.item, Level: levelNames[c.level]})
		}
	}
	return e
}
