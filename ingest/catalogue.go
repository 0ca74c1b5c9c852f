package ingest

import (
	"hash/fnv"

	"github.com/milepost-io/milepost/ingest/nearest"
)

// SignalKind is the type of a signal's values.
type SignalKind uint8

const (
	// Number is a double in the signal's unit.
	Number SignalKind = iota
	// Bool is true or false; a Sample holds 1 or 0.
	Bool
	// CodeSet is a full set of codes (S19).
	CodeSet
)

// HoldForever is the Hold of a signal whose newest value stays known (S9).
const HoldForever int64 = 0

// Signal is one entry of the catalogue.
type Signal struct {
	Name string
	Kind SignalKind
	Unit string
	// Min and Max are the valid range, both included; values outside and Sentinels are dropped (S6).
	Min, Max  float64
	Sentinels []float64
	// Hold is how long a value stays known, in milliseconds of event time, or HoldForever (S9).
	Hold int64
	// Stored is false for signals that are kept only when a rule reads them.
	Stored bool
	// VSS is the COVESA VSS path, if there is one.
	VSS         string
	Description string
	// Label is the name for people, by language ("en", "zh").
	Label map[string]string
	// ID names the signal in stored documents: FNV-1a of its name, the same in every catalogue.
	ID uint32
}

// Catalogue is an immutable, ordered list of signals: the built-in ones in file order, then the user's.
// A signal's index is its slot in everything that is compiled against this catalogue; what is stored
// uses Signal.ID. Safe for concurrent use.
type Catalogue struct {
	signals []Signal
	names   nameTable
	ids     map[uint32]int
}

// Len is the number of signals.
func (c *Catalogue) Len() int { return len(c.signals) }

// Signal returns the i-th signal; it must not be changed.
func (c *Catalogue) Signal(i int) *Signal { return &c.signals[i] }

// Lookup returns the index of the signal of that name, without allocating.
func (c *Catalogue) Lookup(name []byte) (int, bool) { return c.names.lookup(name) }

// Index is Lookup for a string.
func (c *Catalogue) Index(name string) (int, bool) { return c.names.lookup([]byte(name)) }

// IndexID returns the index of the signal with that stored id.
func (c *Catalogue) IndexID(id uint32) (int, bool) {
	i, ok := c.ids[id]
	return i, ok
}

// Nearest returns the known name closest to a mistyped one, empty when none is close.
func (c *Catalogue) Nearest(name string) string {
	return nearest.Word(name, namesOf(c.signals))
}

// InRange reports whether v may be kept as a value of s (S6): within its range and no sentinel.
func (s *Signal) InRange(v float64) bool {
	if !(v >= s.Min && v <= s.Max) {
		return false
	}
	for _, x := range s.Sentinels {
		if v == x {
			return false
		}
	}
	return true
}

// newCatalogue indexes checked signals: their names and ids are distinct.
func newCatalogue(signals []Signal) *Catalogue {
	c := &Catalogue{signals: signals, names: newNameTable(signals), ids: make(map[uint32]int, len(signals))}
	for i := range signals {
		c.ids[signals[i].ID] = i
	}
	return c
}

// signalID is FNV-1a of the name: documents on disk name signals by it.
func signalID(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash never fails to write
	return h.Sum32()
}
