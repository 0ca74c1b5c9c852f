package cond

import "math"

// Kind is the type of a signal.
type Kind uint8

const (
	NumberSignal Kind = iota
	BoolSignal
	SetSignal
)

// Signal is what a condition may name, as the catalogue has it.
type Signal struct {
	Name string
	Kind Kind
	// HoldMS is how long a sample stays known, in milliseconds of rule time (S9); 0: for ever.
	HoldMS int64
}

// Env is what the conditions of one rule set may name, and what they have named: compiling gives every
// fact and item a dense index. Build it once per rule set, compile everything, then make frames. It is
// for one goroutine while compiling.
type Env struct {
	signals []Signal
	facts   []string
	items   []string
}

// NewEnv makes an environment; the index of a signal is its slot in a Frame. items are the maintenance
// items that km_since and days_since may name; nil: any. An error names a signal that cannot be one.
func NewEnv(signals []Signal, items []string) (*Env, error) { panic("not built yet") }

// Facts are the facts named so far, by fact index, as they were written: "vehicle.dates.insurance",
// "service.count". The service facts are service.count, the number of services on file, and
// service.last_km, the odometer of the newest one in km (absent without one).
func (e *Env) Facts() []string { return e.facts }

// Items are the items named so far, by item index.
func (e *Env) Items() []string { return e.items }

// NewFrame makes a frame with room for all that has been compiled, everything in it unknown.
func (e *Env) NewFrame() *Frame {
	f := &Frame{
		Samples:   make([]Sample, len(e.signals)),
		Sets:      make([]Codes, len(e.signals)),
		Facts:     make([]Fact, len(e.facts)),
		KMSince:   make([]float64, len(e.items)),
		DaysSince: make([]float64, len(e.items)),
	}
	for i := range f.KMSince {
		f.KMSince[i], f.DaysSince[i] = math.NaN(), math.NaN()
	}
	return f
}
