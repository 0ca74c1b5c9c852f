package rules

import (
	"cmp"
	"slices"

	"github.com/milepost-io/milepost/rules/plan"
)

// updateLead compares the causes of the vehicle's lead before and after the step and makes at most one
// lead event of it (S44); a new dealer gets the lead closed at the old one and opened anew (S46).
func (s *Step) updateLead() {
	v := &s.v
	s.causes = s.appendCauses(s.causes[:0])
	before, after := v.causes, s.causes
	dealer := s.profile().text("dealer")
	was := s.in.formerDealer
	if !s.in.contact {
		was = dealer
	}
	switch {
	case len(before) == 0 && len(after) == 0:
	case len(before) == 0:
		s.openLead(dealer)
	case len(after) == 0:
		s.leadEvent("closed", was, s.closeReason(before))
	case was != dealer:
		s.leadEvent("closed", was, "cancelled")
		s.openLead(dealer)
	case risen(before, after):
		s.leadEvent("updated", dealer, "")
	}
	v.causes = append(v.causes[:0], after...)
}

// openLead begins the vehicle's next lead.
func (s *Step) openLead(dealer string) {
	s.v.Lead++
	s.v.LeadEvents = 0
	s.leadEvent("created", dealer, "")
}

// leadEvent makes the next event of the open lead.
func (s *Step) leadEvent(kind, dealer, reason string) {
	v := &s.v
	v.LeadEvents++
	lead := leadID(s.identity(), v.Lead)
	ev := Event{
		ID: leadEventID(s.identity(), v.Lead, v.LeadEvents), Type: "milepost.lead." + kind, Alert: lead, Lead: lead,
		Time: s.in.at, Version: s.rules.version, Dealer: dealer, ToDealer: true, Reason: reason,
	}
	if kind != "closed" {
		ev.Causes = s.describeCauses(s.causes)
	}
	s.in.leads = append(s.in.leads, ev)
}

// closeReason is what ended the last causes (S44): all there were, since none is left.
func (s *Step) closeReason(last []cause) string {
	reason := "cancelled"
	for i := range last {
		c := &last[i]
		switch {
		case c.Kind == causeItem && slices.Contains(s.in.served, c.Key):
			return "serviced"
		case c.Kind == causeRule && slices.Contains(s.in.cleared, c.Key):
			reason = "cleared"
		}
	}
	return reason
}

// risen reports whether after has a cause that before lacks, or one at a higher level.
func risen(before, after []cause) bool {
	for i := range after {
		k := slices.IndexFunc(before, after[i].same)
		if k < 0 || after[i].Level > before[k].Level {
			return true
		}
	}
	return false
}

// same reports whether two causes are the same item at the same baseline or the same episode of a rule.
func (c *cause) same(o cause) bool {
	return c.Kind == o.Kind && c.Key == o.Key && c.At == o.At && c.N == o.N
}

// appendCauses lists why the lead should be open: items in plan order, then rules in order.
func (s *Step) appendCauses(to []cause) []cause {
	if p := s.plan(); p != nil {
		for i := range p.Items {
			k := slices.IndexFunc(s.v.items, func(st plan.ItemState) bool { return st.Key == p.Items[i].Key })
			if k < 0 {
				continue
			}
			if st := &s.v.items[k]; st.Level != plan.OK && p.Notify[st.Level].Dealer {
				to = append(to, s.since(cause{
					Kind: causeItem, Key: uint64(st.Key), Level: uint32(st.Level),
					At: st.Base.Time, N: uint64(st.Base.N)<<8 | uint64(st.Base.Kind),
				}))
			}
		}
	}
	items := len(to)
	for i := range s.v.rules {
		st := &s.v.rules[i]
		if r := s.prog.ruleByKey[st.Key]; r != nil && st.State == firing && st.Flags&announced != 0 && r.Notify.Dealer && !r.Shadow {
			to = append(to, s.since(cause{Kind: causeRule, Key: st.Key, At: st.T0}))
		}
	}
	slices.SortStableFunc(to[items:], func(a, b cause) int {
		return cmp.Compare(s.prog.ruleByKey[a.Key].index, s.prog.ruleByKey[b.Key].index)
	})
	return to
}

// since gives a cause the time at which it arose.
func (s *Step) since(c cause) cause {
	c.Since = s.in.at
	if k := slices.IndexFunc(s.v.causes, c.same); k >= 0 {
		c.Since = s.v.causes[k].Since
	}
	return c
}

// describeCauses is causes as events carry them.
func (s *Step) describeCauses(causes []cause) []Cause {
	var out []Cause
	for _, c := range causes {
		switch c.Kind {
		case causeItem:
			p := s.plan()
			if i := p.Find(plan.ItemKey(c.Key)); i >= 0 {
				out = append(out, Cause{Item: p.Items[i].ID, Level: plan.Level(c.Level).String(), Title: p.Items[i].Title, Since: c.Since})
			}
		case causeRule:
			r := s.prog.ruleByKey[c.Key]
			out = append(out, Cause{Rule: r.ID, Title: r.Title, Since: c.Since})
		}
	}
	return out
}
