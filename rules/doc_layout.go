package rules

import "github.com/milepost-io/milepost/rules/plan"

// A vehicle is one key with a hot document and a few colder ones:
//
//	"v"         hot: everything a telemetry record touches, below
//	"profile"   the merged profile, canonical JSON (S8)
//	"records"   the services that can still matter to an item, per item (S28)
//	"days"      the accepted readings at the end of past local days (S33)
//	"services"  the newest services as told, JSON: history, and duplicates (S5)
//	"open"      what is open now by name: firing rules, items that are not ok, JSON
//	"ring"      fingerprints of the last 8 events of each type but telemetry (S5)
//	"reaction"  the last reaction of the owner and of the dealer, JSON
//
// The hot document is flat and pointer-free: fixed structs one after the other, little-endian, each
// section as long as the header says.
//
//	┌────────┬───────────┬──────────┬────────────┬────────────┬────────────┬───────────┬─────────────┬──────┐
//	│ header │ slots     │ sets     │ rules      │ items      │ causes     │ facts     │ applies     │ text │
//	│        │ by signal │ as seen  │ by rule key│ plan order │ open lead  │ by index  │ a bit a rule│      │
//	└────────┴───────────┴──────────┴────────────┴────────────┴────────────┴───────────┴─────────────┴──────┘
//
// A rule that is idle and never fired has no entry. The text is the codes of the sets, then the strings
// of the facts.

// docFormat is the format of the hot document; format N reads N−1.
const docFormat = 1

// Names of the documents of a vehicle.
const (
	subHot      = "v"
	subProfile  = "profile"
	subRecords  = "records"
	subServices = "services"
	subOpen     = "open"
	subDays     = "days"
	subRing     = "ring"
	subReaction = "reaction"
)

// maxDocument bounds the profile and the services, in bytes (E11).
const maxDocument = 16 << 10

// never is before any time: "no firing yet", "no trusted time yet".
const never = -1 << 62

// header is the fixed part of the hot document. Times are Unix ms.
type header struct {
	Format                                                            uint32
	Slots, Sets, Rules, Items, Causes, Facts, Applies, Codes, Strings uint32

	// Flags, see below. Life is when the vehicle came back after it was erased, Unix s; 0: it was not (S47).
	Flags, Life uint32

	// L is the greatest trusted event time (S2), Tau the rule time (S9); never before the first.
	L, Tau int64

	// Duplicate memory of telemetry (S5): the newest boot, its highest seq, which of the 64 below it
	// were seen; and the last 8 records without seq.
	Boot, SeqHigh, SeqSeen uint64
	Prints                 [8]uint64
	PrintNext              uint64

	// OdometerAt and HoursAt are the newest samples of the two counters, taken or not (S4, S25).
	OdometerAt, HoursAt int64
	plan.Core
	// Horizon is how far the readings may go before an item can change.
	Horizon plan.Horizon

	// ProfileAt is the time of the newest vehicle event (S8), ContactAt its arrival.
	ProfileAt, ContactAt int64
	// NextHour is the next hourly evaluation (S11), NextDay the next day on which an item can change
	// (S30); 0: none.
	NextHour, NextDay int64
	// Armed is when the document's timer goes off; what is past has gone off.
	Armed int64
	// Today is the day that has started by the clock until TodayEnds (S30).
	TodayEnds int64
	Today     plan.Day
	// InService is the day of the profile's in_service.
	InService plan.Day

	// ZoneKey names the vehicle's zone, PlanKey its plan (0: none), FactsHash what its party last heard.
	ZoneKey, PlanKey, FactsHash uint64
	// Lead counts the leads of this vehicle, LeadEvents the events of the newest.
	Lead, LeadEvents uint32
}

// Flags of the header.
const (
	hasProfile = 1 << iota
	seqKnown   // Boot, SeqHigh, SeqSeen hold something
	leadOpen
	told // the party has been sent something
)

// slot is the newest sample of a number or bool signal.
type slot struct {
	ID uint32
	// Seen counts the samples, up to 2 (S10: changed is unknown before two).
	Seen  uint32
	Value float64
	At    int64
}

// set is the newest sample of a set signal; its codes, in the form of cond.Codes and sorted, follow those
// of the set before.
type set struct {
	ID, Seen uint32
	At       int64
	Len, Pad uint32
}

// ruleState is what is remembered of a rule (S13–S17).
type ruleState struct {
	Key, Meaning uint64
	State, Flags uint32
	// T0 of the pending or firing episode, FiredAt the rule time of the last firing (cooldown).
	T0, FiredAt int64
	// Emitted are the t0 of the last firings that left, newest last: none leaves twice (S17).
	Emitted [4]int64
}

// States of a rule.
const (
	idle uint32 = iota
	pending
	firing
)

// Flags of a rule state.
const (
	announced = 1 << iota // the open firing left as an event; its end will too
)

// cause is one reason why the vehicle's lead is open: an item at a baseline or a rule's episode (S44).
type cause struct {
	Key uint64
	// At is the service time of the baseline, or t0; N tells baselines without a service apart.
	At int64
	// Since is when it became a cause.
	Since int64
	// Level of an item (soon, due, overdue); 0 for a rule.
	Level uint32
	Kind  uint16
	Pad   uint16
	N     uint64
}

// Kinds of a cause.
const (
	causeItem uint16 = 1 + iota
	causeRule
)

// fact is a value of the profile or of the service history that a condition reads.
type fact struct {
	Kind      uint32
	From, Len uint32
	Pad       uint32
	Num       float64
}
