package cond

import (
	"fmt"
	"math"
	"slices"
)

// Kind is the type of a signal.
type Kind uint8

const (
	NumberSignal Kind = iota
	BoolSignal
	// SetSignal is a full set of names: each sample replaces the one before (S19).
	SetSignal
)

// Signal is what a condition may name, as the catalogue has it.
type Signal struct {
	Name string
	Kind Kind
	// HoldMS is how long a sample stays known, in milliseconds of rule time (S9); 0: for ever.
	HoldMS int64
}

// The roots of dotted names. What is known of the owner is for policy and segments alone.
const (
	vehicleRoot = "vehicle"
	serviceRoot = "service"
	ownerRoot   = "owner"
)

// serviceFacts are all there are of the service history.
func serviceFacts() []string { return []string{"service.count", "service.last_km"} }

// Names of signals that functions read.
const (
	signalDTCs     = "dtcs"
	signalOdometer = "odometer"
)

// Env is what the conditions of one rule set may name, and what they have named: compiling gives every
// fact and item a dense index. Build it once per rule set, compile everything, then make frames. It is
// for one goroutine while compiling; afterwards it is read-only.
type Env struct {
	lang    *language
	signals []Signal
	slots   map[string]int
	facts   index
	items   index
	// known are the items that may be named, nil: any.
	known []string
}

// index gives names dense numbers in the order of first mention.
type index struct {
	names  []string
	number map[string]int
}

func (x *index) of(name string) int {
	i, ok := x.number[name]
	if !ok {
		if x.number == nil {
			x.number = make(map[string]int)
		}
		i = len(x.names)
		x.names = append(x.names, name)
		x.number[name] = i
	}
	return i
}

// NewEnv makes an environment; the index of a signal is its slot in a Frame. items are the maintenance
// items that km_since and days_since may name; nil: any. The error names a signal that cannot be named
// in a condition: not an identifier, reserved, or there twice.
func NewEnv(signals []Signal, items []string) (*Env, error) {
	e := &Env{signals: slices.Clone(signals), slots: make(map[string]int, len(signals)), known: items}
	for i, s := range e.signals {
		if err := checkName(s.Name); err != nil {
			return nil, err
		}
		if _, twice := e.slots[s.Name]; twice {
			return nil, fmt.Errorf("signal %q: there twice", s.Name)
		}
		if s.Kind > SetSignal {
			return nil, fmt.Errorf("signal %q: kind %d, expected number, bool or set", s.Name, s.Kind)
		}
		if s.HoldMS < 0 {
			return nil, fmt.Errorf("signal %q: hold of %d ms, expected 0 (for ever) or more", s.Name, s.HoldMS)
		}
		e.slots[s.Name] = i
	}
	var err error
	if e.lang, err = newLanguage(e.signals); err != nil {
		return nil, err
	}
	return e, nil
}

// isReserved reports whether a name cannot be a signal's: it is a word of CEL or stands for something
// else in conditions.
func isReserved(name string) bool {
	switch name {
	case "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let",
		"loop", "package", "namespace", "null", "return", "true", "var", "void", "while",
		vehicleRoot, serviceRoot, ownerRoot:
		return true
	default:
		return false
	}
}

func checkName(name string) error {
	if isReserved(name) {
		return fmt.Errorf("signal %q: the name is reserved in conditions", name)
	}
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return fmt.Errorf("signal %q: expected letters, digits and _, not beginning with a digit", name)
		}
	}
	if name == "" {
		return fmt.Errorf("signal %q: the name is empty", name)
	}
	return nil
}

// Facts are the facts named so far, by fact index, as they were written: "vehicle.dates.insurance",
// "service.count". The service facts are service.count, the number of services on file, and
// service.last_km, the odometer of the newest one in km (absent without one).
func (e *Env) Facts() []string { return e.facts.names }

// Items are the items named so far, by item index.
func (e *Env) Items() []string { return e.items.names }

// NewFrame makes a frame with room for all that has been compiled, everything in it unknown.
func (e *Env) NewFrame() *Frame {
	f := &Frame{
		Samples:   make([]Sample, len(e.signals)),
		Sets:      make([]Codes, len(e.signals)),
		Facts:     make([]Fact, len(e.facts.names)),
		KMSince:   make([]float64, len(e.items.names)),
		DaysSince: make([]float64, len(e.items.names)),
	}
	for i := range f.KMSince {
		f.KMSince[i], f.DaysSince[i] = math.NaN(), math.NaN()
	}
	return f
}
