package plan

import (
	"fmt"
	"strconv"
)

// itemRule is what Resolve makes of an item: everything by dimension, defaults filled in. Due points are
// in metres, months (from the origin or the last service) and thousandths of an hour.
type itemRule struct {
	anchor Anchor
	// first is every where the item's `first` lacks the dimension; 0 where neither has it.
	first, every [dims]int64
	// Thresholds by stage: the rest at which an item is soon, the excess at which it is overdue, and how
	// early a service satisfies a fixed point. Days where the interval is in months.
	soon, overdue, early [stages][dims]int64
	// meaning changes when first or every do (S31).
	meaning uint32
}

// A stage says which interval is running: that of `first`, or that of `every`.
const (
	stageFirst = iota
	stageEvery
	stages
)

// Resolve checks the plan, fills keys and defaults (S30, S42) and returns what is wrong with it, in order.
// A plan with problems must not be evaluated.
func (p *Plan) Resolve() []Problem {
	problems := p.check()
	if len(problems) > 0 {
		return problems
	}
	for l := Soon; l <= Overdue; l++ {
		if !p.Notify[l].Set {
			p.Notify[l] = Audience{Set: true, Owner: true, Dealer: true}
		}
	}
	for i := range p.Items {
		p.Items[i].Key = KeyOf(p.Items[i].ID)
		p.Items[i].rule = p.resolve(&p.Items[i])
	}
	return nil
}

func (p *Plan) resolve(it *Item) itemRule {
	r := itemRule{anchor: it.Anchor, first: it.First.byDim(), every: it.Every.byDim()}
	if r.anchor == AnchorDefault {
		r.anchor = p.Anchor
	}
	if r.anchor == AnchorDefault {
		r.anchor = LastService
	}
	r.meaning = meaningOf(r.first, r.every)
	for d := range dims {
		whole := r.every[d] // of which the percentages are taken (S30)
		if whole == 0 {
			whole = r.first[d]
		}
		if r.first[d] == 0 {
			r.first[d] = r.every[d]
		}
		for stage, interval := range [stages]int64{r.first[d], whole} {
			soon, overdue := whole/10, ceilDiv(whole, 20)
			if Dim(d) == Date {
				soon, overdue = min(30, interval*15), min(14, ceilDiv(interval*15, 2))
			}
			r.soon[stage][d] = p.Soon.or(Dim(d), soon)
			r.overdue[stage][d] = p.Overdue.or(Dim(d), overdue)
			r.early[stage][d] = p.Early.or(Dim(d), r.soon[stage][d])
		}
	}
	return r
}

func (v Interval) byDim() [dims]int64 { return [dims]int64{v.KM, int64(v.Months), v.Hours} }

// or is the threshold in dimension d, where not set otherwise.
func (t Threshold) or(d Dim, otherwise int64) int64 {
	switch {
	case d == KM && t.HasKM:
		return t.KM
	case d == Date && t.HasDays:
		return int64(t.Days)
	case d == Hours && t.HasHours:
		return t.Hours
	}
	return otherwise
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

func meaningOf(first, every [dims]int64) uint32 {
	h := uint64(14695981039346656037)
	for _, vs := range [...][dims]int64{first, every} {
		for _, v := range vs {
			for range 8 {
				h ^= uint64(v) & 0xff
				h *= 1099511628211
				v >>= 8
			}
		}
	}
	return max(1, uint32(h>>32)^uint32(h)) // 0 is what an item has before its first look
}

const (
	maxKM     = 10_000_000 * kilometre
	maxMonths = 1200
	maxDays   = 36_500
	maxHours  = 1_000_000 * hour
)

func (p *Plan) check() []Problem {
	var out []Problem
	report := func(item int, field, format string, args ...any) {
		out = append(out, Problem{item, field, fmt.Sprintf(format, args...)})
	}
	if p.ID == "" {
		report(-1, "id", "missing, want a name")
	}
	if p.Anchor > FixedPoints {
		report(-1, "anchor", "unknown, want last_service or plan")
	}
	p.Soon.check("remind.soon", report)
	p.Overdue.check("remind.overdue", report)
	p.Early.check("early", report)
	if n := len(p.Items); n == 0 || n > MaxItems {
		report(-1, "items", "%d items, want 1 to %d", n, MaxItems)
	}
	for i := range p.Items {
		p.checkItem(i, report)
	}
	return out
}

type reporter func(item int, field, format string, args ...any)

func (p *Plan) checkItem(i int, report reporter) {
	it := &p.Items[i]
	if it.ID == "" {
		report(i, "id", "missing, want a name")
	}
	for j := range i {
		switch other := p.Items[j].ID; {
		case other == it.ID:
			report(i, "id", "%q stands twice in the plan", it.ID)
		case KeyOf(other) == KeyOf(it.ID):
			report(i, "id", "%q has the same hash as %q, choose another id", it.ID, other)
		}
	}
	if it.Anchor > FixedPoints {
		report(i, "anchor", "unknown, want last_service or plan")
	}
	if it.Minutes < 0 {
		report(i, "labour_minutes", "%d is negative", it.Minutes)
	}
	for n, code := range it.Codes {
		if code == "" {
			report(i, "codes["+strconv.Itoa(n)+"]", "empty, want a code or a pattern with * and ?")
		}
	}
	if it.First == (Interval{}) && it.Every == (Interval{}) {
		report(i, "every", "missing, want km, months or hours")
	}
	it.First.check(i, "first", report)
	it.Every.check(i, "every", report)
}

// check holds intervals to where due points stay exact in 64 bits and their numbers in 32.
func (v Interval) check(item int, field string, report reporter) {
	if v.KM != 0 && (v.KM < kilometre || v.KM > maxKM) {
		report(item, field+".km", "%g km, want 1 to %d", Units(v.KM), maxKM/kilometre)
	}
	if v.Months < 0 || v.Months > maxMonths {
		report(item, field+".months", "%d months, want 1 to %d", v.Months, maxMonths)
	}
	if v.Hours != 0 && (v.Hours < hour || v.Hours > maxHours) {
		report(item, field+".hours", "%g hours, want 1 to %d", Units(v.Hours), maxHours/hour)
	}
}

func (t Threshold) check(field string, report reporter) {
	if t.KM < 0 || t.KM > maxKM {
		report(-1, field+".km", "%g km, want 0 to %d", Units(t.KM), maxKM/kilometre)
	}
	if t.Days < 0 || t.Days > maxDays {
		report(-1, field+".days", "%d days, want 0 to %d", t.Days, maxDays)
	}
	if t.Hours < 0 || t.Hours > maxHours {
		report(-1, field+".hours", "%g hours, want 0 to %d", Units(t.Hours), maxHours/hour)
	}
}
