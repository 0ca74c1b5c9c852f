package rules

import (
	"math"
	"math/bits"

	"github.com/milepost-io/milepost/rules/cond"
	"github.com/milepost-io/milepost/rules/plan"
)

// runRules evaluates the marked rules in order (S7, S11) at a rule time, and unmarks them.
func (s *Step) runRules(tau int64) {
	filled := false
	for i, sum := range s.due.summary {
		for ; sum != 0; sum &= sum - 1 {
			w := i<<6 + bits.TrailingZeros64(sum)
			word := s.due.words[w]
			s.due.words[w] = 0
			if w < len(s.v.applies) {
				word &= s.v.applies[w]
			} else {
				word = 0
			}
			for ; word != 0; word &= word - 1 {
				if !filled {
					s.fillFrame(tau)
					filled = true
				}
				s.runRule(s.prog.Rules[w<<6+bits.TrailingZeros64(word)], tau)
			}
		}
		s.due.summary[i] = 0
	}
}

// maxRuleStates bounds the rules of one vehicle that are pending, fire or have fired (E11).
const maxRuleStates = 160

// runRule moves one rule on (S13, S14). A rule that is idle and stays so costs its condition alone.
func (s *Step) runRule(r *Rule, tau int64) {
	st := s.v.rule(r.key)
	if st != nil && st.State == firing {
		if s.over(r) {
			s.resolve(st, r, "")
		}
		return // when is not evaluated again on the record that resolves
	}
	switch r.when.Eval(s.frame) {
	case cond.False:
		if st != nil && st.State == pending {
			st.State = idle
			s.v.dropRule(st)
		}
	case cond.True:
		if st == nil {
			if len(s.v.rules) == maxRuleStates {
				s.in.count("bound", "rule_states", 1)
				return
			}
			st = s.v.addRule(r.key, r.meaning)
		}
		if st.State == idle {
			st.State, st.T0 = pending, tau
		}
		if tau >= st.T0+r.For && (st.FiredAt == never || tau >= st.FiredAt+r.Cooldown) {
			s.fire(st, r, tau)
		}
	}
}

// over reports whether a firing rule's until holds; by default when `when` is known to be false (S14).
func (s *Step) over(r *Rule) bool {
	if r.until != nil {
		return r.until.Eval(s.frame) == cond.True
	}
	return r.when.Eval(s.frame) == cond.False
}

// fillFrame makes the frame show the vehicle at a rule time.
func (s *Step) fillFrame(tau int64) {
	f, v := s.frame, &s.v
	f.Now = tau
	clear(f.Samples)
	clear(f.Sets)
	k := 0
	for i := range v.slots {
		sl := &v.slots[i]
		for k < len(s.prog.byID) && s.prog.byID[k].id < sl.ID {
			k++
		}
		if k == len(s.prog.byID) {
			break
		}
		if s.prog.byID[k].id == sl.ID {
			n := s.prog.byID[k].index
			f.Samples[n] = cond.Sample{V: sl.Value, At: sl.At, Seen: sl.Seen > 0, Changed: s.changed(int(n), sl.Seen)}
		}
	}
	for i := range v.sets {
		if n, ok := s.prog.catalogue.IndexID(v.sets[i].ID); ok {
			f.Samples[n] = cond.Sample{At: v.sets[i].At, Seen: true, Changed: s.changed(n, v.sets[i].Seen)}
			f.Sets[n] = v.codesOf(i)
		}
	}
	s.fillFacts(tau)
}

// changed is what changed(s) answers on this input: unknown before two samples, false when the record
// lacks the signal (S10).
func (s *Step) changed(signal int, seen uint32) cond.Tri {
	switch {
	case seen < 2:
		return cond.Unknown
	case s.in.changed[signal>>6]&(1<<(signal&63)) != 0:
		return cond.True
	default:
		return cond.False
	}
}

// fillFacts shows the profile and service facts that conditions read.
func (s *Step) fillFacts(tau int64) {
	f, v := s.frame, &s.v
	for i := range f.Facts {
		f.Facts[i] = cond.Fact{}
		if i < len(v.facts) {
			o := &v.facts[i]
			f.Facts[i] = cond.Fact{Kind: cond.FactKind(o.Kind), Num: o.Num, Str: v.strings[o.From : o.From+o.Len]}
		}
	}
	if len(f.KMSince) == 0 {
		return
	}
	today := float64(s.zone().DayOf(tau))
	for i := range f.KMSince {
		f.KMSince[i], f.DaysSince[i] = math.NaN(), math.NaN()
		if at := len(f.Facts) + 2*i; at+1 < len(v.facts) {
			if b := &v.facts[at]; b.Kind == uint32(cond.Number) && v.Odometer.Known {
				f.KMSince[i] = plan.Units(v.Odometer.Value - int64(b.Num)) // exact, in metres
			}
			if b := &v.facts[at+1]; b.Kind == uint32(cond.Number) {
				f.DaysSince[i] = today - b.Num
			}
		}
	}
}
