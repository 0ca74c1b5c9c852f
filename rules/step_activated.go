package rules

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/milepost-io/milepost/rules/plan"
	"github.com/milepost-io/milepost/state"
)

// ruleset is what an activation says besides the rules.
type ruleset struct {
	version string
	// zone of vehicles whose profile names none.
	zone uint64
	// Catalogue indexes of the signals that are more than a value; -1: not in the catalogue.
	odometer, hours, ignition, engine int
}

// Control puts the rule set of an activation in force (E10); one that does not compile changes nothing.
func (s *Step) Control(payload []byte) error {
	a, prog, err := ParseActivation(payload)
	if err != nil {
		return err
	}
	return s.activate(prog, a)
}

func (s *Step) activate(prog *Program, a Activation) error {
	name := a.Zone
	if name == "" {
		name = "UTC"
	}
	zone, ok := s.zones.load(name)
	if !ok {
		return fmt.Errorf("activation %d: timezone %q is not in the database", a.Number, a.Zone)
	}
	index := func(name string) int {
		if i, ok := prog.catalogue.Index(name); ok {
			return i
		}
		return -1
	}
	s.prog = prog
	s.rules = ruleset{
		version: a.Version, zone: zone,
		odometer: index("odometer"), hours: index("engine_hours"), ignition: index("ignition"), engine: index("engine_on"),
	}
	s.decoders = s.opts.Decoders(prog.catalogue)
	s.frame = prog.env.NewFrame()
	s.due = newRuleSet(len(prog.Rules))
	s.in.changed = make([]uint64, (prog.catalogue.Len()+63)/64)
	return nil
}

// Activated brings a vehicle under the rule set that has come into force: alerts of rules that are gone
// or mean something else end, the items are compared with the plan as it now reads (S36, S48).
func (s *Step) Activated(c *state.Context) {
	if !s.begin(c) {
		return
	}
	s.in.timer = true
	s.in.ruleTime = s.currentTau()
	s.in.cause, s.in.stateChanged = plan.CauseRules, true
	s.reconcileRules()
	s.v.TodayEnds = 0
	s.applyProfile()
	s.due.reset() // an activation evaluates no condition (S11)
	s.runItems()
	s.finish()
}

// reconcileRules drops the memory of what rules no longer mean (S48).
func (s *Step) reconcileRules() {
	for i := 0; i < len(s.v.rules); i++ {
		st := &s.v.rules[i]
		r := s.prog.ruleByKey[st.Key]
		if r != nil && r.meaning == st.Meaning {
			continue
		}
		if st.State == firing {
			reason := "rule_removed"
			if r != nil {
				reason = "rule_changed"
			}
			s.resolve(st, r, reason)
		}
		st.State = idle
		if r != nil {
			st.Meaning = r.meaning
		}
	}
	// What never fired leaves nothing to remember; of rules that are gone the latest firings are kept.
	s.v.rules = slices.DeleteFunc(s.v.rules, func(st ruleState) bool { return st.State == idle && st.FiredAt == never })
	s.forgetRemoved()
}

// maxRemoved bounds the memory of rules that are gone (E11).
const maxRemoved = 32

func (s *Step) forgetRemoved() {
	var gone []ruleState
	for _, st := range s.v.rules {
		if s.prog.ruleByKey[st.Key] == nil {
			gone = append(gone, st)
		}
	}
	if len(gone) <= maxRemoved {
		return
	}
	slices.SortStableFunc(gone, func(a, b ruleState) int { return cmp.Compare(a.FiredAt, b.FiredAt) })
	for _, st := range gone[:len(gone)-maxRemoved] {
		s.v.rules = slices.DeleteFunc(s.v.rules, func(o ruleState) bool { return o.Key == st.Key })
	}
}

// newVehicle prepares a vehicle that has no document yet.
func (s *Step) newVehicle() {
	s.in.evaluate = true
	s.v.ZoneKey = s.rules.zone
	s.in.ruleTime = s.in.now
	s.applyProfile()
	s.due.reset()
}
