package rules

import (
	"cmp"
	"slices"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/cond"
	"github.com/milepost-io/milepost/rules/plan"
)

// Program is a loaded rules folder: what a step runs. It is immutable and may be shared.
type Program struct {
	// Rules in order: files by name, then position (S7).
	Rules []*Rule
	// Plans in order; a car gets the first whose applies_to is true, unless its profile names one (S27).
	Plans  []*Plan
	Policy Policy

	catalogue *ingest.Catalogue
	env       *cond.Env
	// rulesOf are the rules that read a signal, by catalogue index; what an event concerns is found here
	// and nowhere else. hourly are those evaluated at full hours (S11).
	rulesOf [][]ruleMask
	hourly  []int32
	// rulesOfFact are the rules that read a fact, by its place among the facts of a document.
	rulesOfFact [][]int32
	ruleByKey   map[uint64]*Rule
	planByKey   map[uint64]*Plan
	// items are the items of all plans.
	items map[string]bool
	// byID are the catalogue's signals by stored id, to meet the slots of a document in one pass.
	byID []signalID
	// read by catalogue index: some signals (a position) are stored only when a rule reads them.
	read []bool
}

// signalID is a signal by the id that documents use.
type signalID struct {
	id    uint32
	index int32
}

// Severity of a rule.
type Severity string

// The severities, least first.
const (
	Info     Severity = "info"
	Advisory Severity = "advisory"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Audience is whom a rule or a level of a plan wants told.
type Audience struct {
	Owner, Dealer bool
}

// Rule is one condition rule.
type Rule struct {
	ID       string
	Title    map[string]string // by language
	Severity Severity
	Kind     string
	Notify   Audience
	Shadow   bool
	// Durations in milliseconds (S13–S15).
	For, Cooldown, MaxAge int64

	when, until, appliesTo *cond.Cond // until and appliesTo nil: the default
	owner, dealer          []message
	// index is the rule's place in Program.Rules.
	index int
	// key names the rule in documents, meaning its `when for until` (S48).
	key, meaning uint64
}

// Plan is one maintenance plan.
type Plan struct {
	*plan.Plan
	appliesTo *cond.Cond
	key       uint64
}

// message is a template in one language.
type message struct {
	lang string
	template
}

// Catalogue is the signal catalogue the program was compiled against.
func (p *Program) Catalogue() *ingest.Catalogue { return p.catalogue }

// link builds the indexes when everything has been compiled.
func (p *Program) link(env *cond.Env) {
	p.env = env
	p.rulesOf = make([][]ruleMask, p.catalogue.Len())
	p.read = make([]bool, p.catalogue.Len())
	p.rulesOfFact = make([][]int32, len(env.Facts())+2*len(env.Items()))
	p.ruleByKey, p.planByKey, p.items = map[uint64]*Rule{}, map[uint64]*Plan{}, map[string]bool{}
	for i := range p.catalogue.Len() {
		p.byID = append(p.byID, signalID{p.catalogue.Signal(i).ID, int32(i)})
	}
	slices.SortFunc(p.byID, func(a, b signalID) int { return cmp.Compare(a.id, b.id) })
	for _, r := range p.Rules {
		for _, sig := range r.signals() {
			p.rulesOf[sig] = appendMask(p.rulesOf[sig], r.index)
			p.read[sig] = true
		}
		if r.reads((*cond.Cond).Hourly) {
			p.hourly = append(p.hourly, int32(r.index))
		}
		p.linkFacts(r)
		p.ruleByKey[r.key] = r
	}
	for _, pl := range p.Plans {
		p.planByKey[pl.key] = pl
		for i := range pl.Items {
			p.items[pl.Items[i].ID] = true
		}
	}
}

// linkFacts enters a rule under the facts it reads; those of applies_to count (S11).
func (p *Program) linkFacts(r *Rule) {
	facts := len(p.env.Facts())
	for _, c := range []*cond.Cond{r.when, r.until, r.appliesTo} {
		if c == nil {
			continue
		}
		for _, f := range c.Facts() {
			p.rulesOfFact[f] = append(p.rulesOfFact[f], int32(r.index))
		}
		for _, i := range c.KMOf() {
			p.rulesOfFact[facts+2*i] = append(p.rulesOfFact[facts+2*i], int32(r.index))
		}
		for _, i := range c.DaysOf() {
			p.rulesOfFact[facts+2*i+1] = append(p.rulesOfFact[facts+2*i+1], int32(r.index))
		}
	}
}

// anyHourly reports whether one of the rules that apply is evaluated at full hours.
func (p *Program) anyHourly(applies []uint64) bool {
	for _, r := range p.hourly {
		if applies[r>>6]&(1<<(r&63)) != 0 {
			return true
		}
	}
	return false
}

// place is where a rule stands among the rules; -1 when it is gone.
func (p *Program) place(id string) int {
	if r := p.ruleByKey[hash64("rule", id)]; r != nil {
		return r.index
	}
	return -1
}

// reads reports whether one of the rule's conditions has a property.
func (r *Rule) reads(property func(*cond.Cond) bool) bool {
	return property(r.when) || (r.until != nil && property(r.until))
}

// signals are the signals whose samples evaluate the rule, ascending.
func (r *Rule) signals() []int {
	all := slices.Clone(r.when.Signals())
	if r.until != nil {
		all = append(all, r.until.Signals()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// meaningOf names what a rule means: equal meanings share their memory over reloads (S48).
func (r *Rule) meaningOf() uint64 {
	until := ""
	if r.until != nil {
		until = r.until.Meaning()
	}
	return hash64("meaning", newID("when").text(r.when.Meaning()).int(r.For).text(until).id(""))
}

// ruleSet is a set of small numbers that is emptied as it is read, in ascending order. Its two levels make
// a sparse set of ten thousand rules as cheap as one of ten.
type ruleSet struct{ words, summary []uint64 }

func newRuleSet(n int) ruleSet {
	w := (n + 63) / 64
	return ruleSet{make([]uint64, w), make([]uint64, (w+63)/64)}
}

// ruleMask is up to 64 rules: those of one word of a ruleSet.
type ruleMask struct {
	mask uint64
	word int32
}

// appendMask adds a rule to masks; rules come in ascending order.
func appendMask(to []ruleMask, rule int) []ruleMask {
	word, mask := int32(rule>>6), uint64(1)<<(rule&63)
	if n := len(to); n > 0 && to[n-1].word == word {
		to[n-1].mask |= mask
		return to
	}
	return append(to, ruleMask{mask, word})
}

// addAll adds the rules of masks.
func (b *ruleSet) addAll(masks []ruleMask) {
	for _, m := range masks {
		b.words[m.word] |= m.mask
		b.summary[m.word>>6] |= 1 << (m.word & 63)
	}
}

func (b *ruleSet) add(i int32) {
	w := i >> 6
	b.words[w] |= 1 << (i & 63)
	b.summary[w>>6] |= 1 << (w & 63)
}

// reset empties the set.
func (b *ruleSet) reset() {
	clear(b.words)
	clear(b.summary)
}
