package rules

import (
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/ingest/strictyaml"
	"github.com/milepost-io/milepost/rules/plan"
)

// Bounds of what a plan may say: a typing error is caught, arithmetic stays far from overflow.
const (
	maxKM     = 10_000_000
	maxHours  = 1_000_000
	maxMonths = 1_200
	maxDays   = 36_500
	maxLabour = 100_000
)

// plan loads one entry of `plans`.
func (l *loader) plan(n *strictyaml.Node) {
	m := l.Fields(n, planKeys())
	if m == nil {
		return
	}
	id, ok := l.identifier(m, n, "a plan")
	if !ok {
		return
	}
	p := &Plan{Plan: &plan.Plan{ID: id}, key: hash64("plan", id)}
	l.claim(m["id"], "plan", id, p.key)
	if v, ok := m["applies_to"]; ok {
		p.appliesTo = l.profileCondition(v, "applies_to")
	}
	if v, ok := m["anchor"]; ok {
		p.Anchor = l.anchor(v)
	}
	if v, ok := m["remind"]; ok {
		t := l.Fields(v, remindKeys())
		p.Soon, p.Overdue = l.threshold(t["soon"]), l.threshold(t["overdue"])
	}
	p.Early = l.threshold(m["early"])
	if v, ok := m["history"]; ok {
		h, _ := l.Choice(v, "history", []string{"assumed", "never"}, nil)
		p.NoHistory = h == "never"
	}
	if v, ok := m["notify"]; ok {
		l.planNotify(p, v)
	}
	l.items(p, m, n)
	l.program.Plans = append(l.program.Plans, p)
}

// planNotify loads whom the levels are told to; a level missing takes the default (S42).
func (l *loader) planNotify(p *Plan, n *strictyaml.Node) {
	m := l.Fields(n, levelKeys())
	for level := plan.Soon; level <= plan.Overdue; level++ {
		if v, ok := m[level.String()]; ok {
			a := l.audience(v)
			p.Notify[level] = plan.Audience{Set: true, Owner: a.Owner, Dealer: a.Dealer}
		}
	}
}

// items loads the items of a plan and lets the plan check itself.
func (l *loader) items(p *Plan, m map[string]*strictyaml.Node, n *strictyaml.Node) {
	list, ok := m["items"]
	if !ok {
		l.At(n, fmt.Sprintf("plan %q without items", p.ID), "a list of items")
		return
	}
	var nodes []*strictyaml.Node
	before := len(l.Problems)
	for _, item := range l.List(list, "items") {
		if item.HasAny(maintainedKeys().Later) {
			before = -1
		}
		if it, ok := l.item(item); ok {
			p.Items, nodes = append(p.Items, it), append(nodes, item)
		}
	}
	if len(l.Problems) > before {
		return // what is wrong follows from what has been said
	}
	for _, problem := range p.Resolve() {
		at := n
		if problem.Item >= 0 && problem.Item < len(nodes) {
			at = nodes[problem.Item]
		}
		l.At(at.Find(problem.Field), problem.Field+": "+problem.Msg, "")
	}
}

// item loads one item of a plan.
func (l *loader) item(n *strictyaml.Node) (plan.Item, bool) {
	var it plan.Item
	m := l.Fields(n, maintainedKeys())
	if m == nil {
		return it, false
	}
	id, ok := l.identifier(m, n, "an item")
	if !ok {
		return it, false
	}
	it.ID = id
	if v, ok := m["title"]; ok {
		it.Title = byLanguage(l.Localized(v, "title"))
	}
	if v, ok := m["article"]; ok {
		it.Article = byLanguage(l.Localized(v, "article"))
	}
	if v, ok := m["codes"]; ok {
		for _, c := range l.List(v, "codes") {
			if s, ok := l.Text(c, "a code"); ok {
				it.Codes = append(it.Codes, s)
			}
		}
	}
	if v, ok := m["anchor"]; ok {
		it.Anchor = l.anchor(v)
	}
	it.First, it.Every = l.interval(m["first"]), l.interval(m["every"])
	if v, ok := m["labour_minutes"]; ok {
		it.Minutes, _ = l.Whole(v, "labour_minutes", 0, maxLabour)
	}
	return it, true
}

// anchor loads what due points are counted from (S29).
func (l *loader) anchor(n *strictyaml.Node) plan.Anchor {
	if strings.HasPrefix(n.Text, "vehicle.") {
		l.At(n, fmt.Sprintf("anchor %q is not in this version", n.Text), "last_service or plan")
		return plan.AnchorDefault
	}
	switch s, _ := l.Choice(n, "anchor", []string{"last_service", "plan"}, nil); s {
	case "plan":
		return plan.FixedPoints
	case "last_service":
		return plan.LastService
	}
	return plan.AnchorDefault
}

// interval loads {km, months, hours}; nil is none.
func (l *loader) interval(n *strictyaml.Node) plan.Interval {
	var iv plan.Interval
	if n == nil {
		return iv
	}
	m := l.Fields(n, intervalKeys())
	if v, ok := m["km"]; ok {
		km, _ := l.Number(v, "km", 0.001, maxKM)
		iv.KM = plan.Metres(km)
	}
	if v, ok := m["months"]; ok {
		months, _ := l.Whole(v, "months", 1, maxMonths)
		iv.Months = int32(months)
	}
	if v, ok := m["hours"]; ok {
		h, _ := l.Number(v, "hours", 0.001, maxHours)
		iv.Hours = plan.MilliHours(h)
	}
	return iv
}

// threshold loads {km, days, hours}; nil sets nothing.
func (l *loader) threshold(n *strictyaml.Node) plan.Threshold {
	var t plan.Threshold
	if n == nil {
		return t
	}
	m := l.Fields(n, thresholdKeys())
	if v, ok := m["km"]; ok {
		var km float64
		km, t.HasKM = l.Number(v, "km", 0, maxKM)
		t.KM = plan.Metres(km)
	}
	if v, ok := m["days"]; ok {
		var days int
		days, t.HasDays = l.Whole(v, "days", 0, maxDays)
		t.Days = int32(days)
	}
	if v, ok := m["hours"]; ok {
		var h float64
		h, t.HasHours = l.Number(v, "hours", 0, maxHours)
		t.Hours = plan.MilliHours(h)
	}
	return t
}
