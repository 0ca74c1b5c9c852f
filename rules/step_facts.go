package rules

import (
	"strings"

	"github.com/milepost-io/milepost/rules/cond"
	"github.com/milepost-io/milepost/rules/plan"
)

// loadFacts brings the facts that conditions read into the hot document and marks the rules that read
// one that changed (S11). After the facts by index come two for each item: metres and day of its baseline.
func (s *Step) loadFacts() {
	names, items := s.prog.env.Facts(), s.prog.env.Items()
	n := len(names) + 2*len(items)
	if n == 0 {
		return
	}
	before := s.factsBefore.copy(&s.v)
	s.v.facts, s.v.strings = s.v.facts[:0], s.v.strings[:0]
	for _, name := range names {
		s.addFact(s.factOf(name))
	}
	s.loadCold()
	st := s.planState()
	for _, item := range items {
		r, ok := st.Baseline(plan.KeyOf(item))
		km, day := cond.Absent, cond.Absent
		if ok {
			day = cond.Number
			if r.Flags&plan.HasKM != 0 {
				km = cond.Number
			}
		}
		s.addFact(km, float64(r.KM), "")
		s.addFact(day, float64(r.Day), "")
	}
	for i := range s.v.facts {
		if before.differs(&s.v, i) {
			for _, r := range s.prog.rulesOfFact[i] {
				s.due.add(r)
			}
		}
	}
}

func (s *Step) addFact(kind cond.FactKind, num float64, str string) {
	v := &s.v
	if kind != cond.Number && kind != cond.Bool {
		num = 0
	}
	v.facts = append(v.facts, fact{Kind: uint32(kind), From: uint32(len(v.strings)), Len: uint32(len(str)), Num: num})
	v.strings = append(v.strings, str...)
}

// factOf is a fact by its name.
func (s *Step) factOf(name string) (cond.FactKind, float64, string) {
	if path, ok := strings.CutPrefix(name, "vehicle."); ok {
		return s.profile().fact(path)
	}
	h := s.history()
	switch name {
	case "service.count":
		return cond.Number, float64(h.Count), ""
	case "service.last_km":
		if last := h.newest(); last != nil && last.KM != nil {
			return cond.Number, *last.KM, ""
		}
	}
	return cond.Absent, 0, ""
}

// factCopy is the facts as they stood before a change.
type factCopy struct {
	facts   []fact
	strings []byte
}

func (c *factCopy) copy(v *vehicle) *factCopy {
	c.facts = append(c.facts[:0], v.facts...)
	c.strings = append(c.strings[:0], v.strings...)
	return c
}

// differs reports whether the i-th fact of v is another than before.
func (c *factCopy) differs(v *vehicle, i int) bool {
	if i >= len(c.facts) {
		return v.facts[i].Kind != uint32(cond.Absent)
	}
	a, b := &c.facts[i], &v.facts[i]
	return a.Kind != b.Kind || a.Num != b.Num ||
		string(c.strings[a.From:a.From+a.Len]) != string(v.strings[b.From:b.From+b.Len])
}
