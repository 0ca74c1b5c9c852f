package rules

import (
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
	Title    []langText
	Severity Severity
	Kind     string
	Notify   Audience
	Shadow   bool
	// Durations in milliseconds (S13–S15).
	For, Cooldown, MaxAge int64

	when, until, appliesTo *cond.Program // until and appliesTo nil: the default
	owner, dealer          []message
	// index is the rule's place in Program.Rules.
	index int
	// key names the rule, meaning its `when for until`, in documents (S48).
	key, meaning uint64
	// hourly: the rule is also evaluated at full UTC hours (S11).
	hourly bool
}

// Plan is one maintenance plan.
type Plan struct {
	*plan.Plan
	appliesTo *cond.Program
	key       uint64
}

// message is a template in one language.
type message struct {
	lang string
	template
}
