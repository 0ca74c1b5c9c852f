package rules

import (
	"github.com/milepost-io/milepost/rules/plan"
	"github.com/milepost-io/milepost/state"
)

// input is what one input does to a vehicle: filled on the way through a step, emptied before the next.
type input struct {
	c    *state.Context
	docs documents
	vin  []byte
	// now is the arrival, or the due time of a timer: the clock.
	now int64
	// at is the time of the events made here: e of the causing record, or the clock for a timer (S17).
	at int64
	// ruleTime is τ as the rules of this input see it.
	ruleTime int64
	timer    bool

	// changed are the signals whose non-late sample differs from the one before (S10), by catalogue index.
	changed []uint64

	// stateChanged: an item, a rule, the profile or the history changed in a way that may move the lead
	// or what a message would say.
	stateChanged bool
	// contact: a vehicle event was applied (S46).
	contact bool
	// served and cleared are the items that ended in done and the rules that ended in resolved, by key (S44).
	served, cleared []uint64

	// Events in the order of S7.
	odometer, cancelled, done, levels, alerts, leads []Event

	// cause of lower levels (S36), and the service applied in this step (S34).
	cause    plan.Cause
	serviced uint32
	// evaluate: the items must be looked at, whatever the horizon says.
	evaluate bool

	// A vehicle event: the owner and dealer before it.
	formerOwner, formerDealer string
	ownerChanged              bool
	// feedback to pass on.
	feedback []byte
	// remembered puts an applied event into the duplicate memory.
	remembered func()

	// Documents loaded on first use, and whether the days and records were.
	profile *profile
	open    *openDoc
	history *history
	cold    bool
}

func (in *input) reset(c *state.Context) {
	changed := in.changed
	clear(changed)
	*in = input{
		c: c, docs: c, vin: c.Key(), now: c.Now(), at: c.Now(), changed: changed,
		odometer: in.odometer[:0], cancelled: in.cancelled[:0], done: in.done[:0],
		served: in.served[:0], cleared: in.cleared[:0], levels: in.levels[:0], alerts: in.alerts[:0], leads: in.leads[:0],
	}
}

// documents are those of a vehicle, to be read: a Context in a step, copies when a vehicle is shown.
type documents interface{ View(sub []byte) []byte }

// count adds to a counter; a vehicle that is only shown counts nothing.
func (in *input) count(name, label string, n int) {
	if in.c != nil {
		in.c.Count(name, label, n)
	}
}

// markChanged notes that changed(signal) holds for this record.
func (in *input) markChanged(signal int) { in.changed[signal>>6] |= 1 << (signal & 63) }

// subs are the names of a vehicle's documents, as the context takes them.
type subs struct{ hot, profile, services, records, days, ring, reaction, open []byte }

func newSubs() subs {
	return subs{[]byte(subHot), []byte(subProfile), []byte(subServices), []byte(subRecords), []byte(subDays), []byte(subRing), []byte(subReaction), []byte(subOpen)}
}
