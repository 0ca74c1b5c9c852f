package ingest

import (
	_ "embed" // the built-in catalogue
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/milepost-io/milepost/ingest/nearest"
	"github.com/milepost-io/milepost/ingest/strictyaml"
)

//go:embed signals.yaml
var builtinSignals string

// builtin is parsed once; a Catalogue is immutable, so sharing it is safe.
var builtin = sync.OnceValue(func() *Catalogue {
	c, err := loadCatalogue("signals.yaml", builtinSignals, nil)
	if err != nil {
		panic(err) // the file is part of the binary
	}
	return c
})

// BuiltinCatalogue is the catalogue without user signals.
func BuiltinCatalogue() *Catalogue { return builtin() }

// LoadCatalogue reads a user's signal file over the built-in signals; name stands in error messages. The
// error, if any, is a strictyaml.Problems with every mistake found. Empty content gives the built-in
// catalogue.
func LoadCatalogue(name string, content []byte) (*Catalogue, error) {
	return loadCatalogue(name, string(content), builtin().signals)
}

// maxSignals bounds a catalogue (E11).
const maxSignals = 4096

// catalogueLoader reads one signal file over the signals of base.
type catalogueLoader struct {
	strictyaml.Reader
	base, signals []Signal
	index         map[string]int    // of signals, by name
	ids           map[uint32]string // names of signals, by stored id
	own           map[string]bool   // names that this file has given
}

func loadCatalogue(name, content string, base []Signal) (*Catalogue, error) {
	l := catalogueLoader{base: base, signals: slices.Clone(base), index: map[string]int{}, ids: map[uint32]string{}, own: map[string]bool{}}
	for i := range base {
		l.index[base[i].Name], l.ids[base[i].ID] = i, base[i].Name
	}
	if root := l.Parse(name, content); root != nil {
		if list, ok := l.Fields(root, fileKeys())["signals"]; ok && list.Kind != strictyaml.Null {
			for _, n := range l.List(list, "signals") {
				l.signal(n)
			}
		}
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	return newCatalogue(l.signals), nil
}

// signal reads one entry: a new signal is appended, a known one gets the keys given.
func (l *catalogueLoader) signal(n *strictyaml.Node) {
	m := l.Fields(n, signalKeys())
	if m == nil {
		return
	}
	s, known := l.named(n, m["name"])
	if s == nil {
		return
	}
	before := len(l.Problems)
	l.set(s, m, known)
	if len(l.Problems) == before {
		l.finish(s, n)
	}
}

// named is the signal that an entry is about; nil when its name will not do. known says that it was there
// before this file.
func (l *catalogueLoader) named(entry, n *strictyaml.Node) (s *Signal, known bool) {
	if n == nil {
		l.At(entry, "a signal without name", "name: word")
		return nil, false
	}
	name, ok := l.Text(n, "name")
	if !ok {
		return nil, false
	}
	if problem, expected := badSignalName(name); problem != "" {
		l.At(n, fmt.Sprintf("%q %s", name, problem), expected)
		return nil, false
	}
	if l.own[name] {
		l.At(n, fmt.Sprintf("signal %q stands twice in this file", name), "")
		return nil, false
	}
	l.own[name] = true
	if i, known := l.index[name]; known {
		return &l.signals[i], true
	}
	id := signalID(name)
	if other, taken := l.ids[id]; taken {
		l.At(n, fmt.Sprintf("signal %q has the stored id %08x of signal %q", name, id, other), "another name")
		return nil, false
	}
	if len(l.signals) == maxSignals {
		l.At(n, fmt.Sprintf("more than %d signals", maxSignals), "")
		return nil, false
	}
	l.index[name], l.ids[id] = len(l.signals), name
	l.signals = append(l.signals, Signal{Name: name, ID: id, Kind: kindUnset, Min: math.Inf(-1), Max: math.Inf(1), Stored: true})
	return &l.signals[len(l.signals)-1], false
}

// finish checks what only the whole entry shows.
func (l *catalogueLoader) finish(s *Signal, n *strictyaml.Node) {
	switch {
	case s.Kind == kindUnset:
		p := l.At(n, fmt.Sprintf("signal %q is new and has no kind", s.Name), "kind: number, bool or set")
		p.Nearest = nearest.Word(s.Name, namesOf(l.base))
	case s.Kind != Number && (s.Unit != "" || len(s.Sentinels) > 0 || !math.IsInf(s.Min, -1)):
		l.At(n, fmt.Sprintf("signal %q is a %s", s.Name, s.Kind), "unit, range and sentinels only on numbers")
	}
}
