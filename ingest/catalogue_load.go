package ingest

import (
	_ "embed" // the built-in catalogue
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

//go:embed signals.yaml
var builtinSignals []byte

// builtin is parsed once; a Catalogue is immutable, so sharing it is safe.
var builtin = sync.OnceValue(func() *Catalogue {
	l := catalogueLoader{file: "signals.yaml", content: builtinSignals}
	c, err := l.load()
	if err != nil {
		panic(err) // the file is part of the binary
	}
	return c
})

// BuiltinCatalogue is the catalogue without user signals.
func BuiltinCatalogue() *Catalogue { return builtin() }

// LoadCatalogue reads a user's signal file over the built-in signals; name stands in error messages
// (file:line:column with the line and a caret). Empty content gives the built-in catalogue.
func LoadCatalogue(name string, content []byte) (*Catalogue, error) {
	l := catalogueLoader{file: name, content: content, base: builtin().signals}
	return l.load()
}

// maxSignals bounds a catalogue (E11).
const maxSignals = 4096

// catalogueLoader reads one signal file over the signals of base.
type catalogueLoader struct {
	file    string
	content []byte
	base    []Signal
}

func (l *catalogueLoader) load() (*Catalogue, error) {
	doc, err := parser.ParseBytes(l.content, 0)
	if err != nil {
		return nil, l.wrap(err)
	}
	signals := slices.Clone(l.base)
	index := make(map[string]int, len(signals))
	for i := range signals {
		index[signals[i].Name] = i
	}
	own := map[string]bool{}
	for _, d := range doc.Docs {
		nodes, err := l.signalNodes(d.Body)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			if signals, err = l.addSignal(n, signals, index, own); err != nil {
				return nil, err
			}
		}
	}
	c, err := newCatalogue(signals)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.file, err)
	}
	return c, nil
}

// signalNodes returns the entries of the key `signals`, the only one a file has.
func (l *catalogueLoader) signalNodes(body ast.Node) ([]ast.Node, error) {
	if body == nil || body.Type() == ast.NullType || body.Type() == ast.CommentType {
		return nil, nil
	}
	fields, err := l.fields(body, []string{"signals"}, "a signal file")
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	list, ok := fields[0].value.(*ast.SequenceNode)
	if !ok {
		return nil, l.errorAt(fields[0].value, "signals: found %s, expected a list of signals", kindOf(fields[0].value))
	}
	return list.Values, nil
}

// addSignal reads one entry: a new signal is appended, a known one gets the keys given.
func (l *catalogueLoader) addSignal(n ast.Node, signals []Signal, index map[string]int, own map[string]bool) ([]Signal, error) {
	fields, err := l.fields(n, signalKeys, "a signal")
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(fields, func(f field) bool { return f.key == "name" })
	if at < 0 {
		return nil, l.errorAt(n, "a signal without name: expected `name: word`")
	}
	var name string
	if err := l.scalar(fields[at].value, &name); err != nil {
		return nil, err
	}
	if why := badSignalName(name); why != "" {
		return nil, l.errorAt(fields[at].value, "signal name %q %s", name, why)
	}
	if own[name] {
		return nil, l.errorAt(fields[at].value, "signal %q stands twice in this file", name)
	}
	own[name] = true
	i, known := index[name]
	if !known {
		if len(signals) == maxSignals {
			return nil, l.errorAt(n, "more than %d signals", maxSignals)
		}
		i = len(signals)
		index[name] = i
		signals = append(signals, Signal{Name: name, Min: math.Inf(-1), Max: math.Inf(1), Stored: true, Kind: kindUnset})
	}
	s := &signals[i]
	for _, f := range fields {
		if err := l.set(s, f, known); err != nil {
			return nil, err
		}
	}
	return signals, l.finish(s, n)
}

// finish checks what only the whole entry shows.
func (l *catalogueLoader) finish(s *Signal, n ast.Node) error {
	if s.Kind == kindUnset {
		return l.errorAt(n, "signal %q is new and has no kind: expected number, bool or set%s", s.Name, didYouMean(s.Name, namesOf(l.base)))
	}
	if s.Kind == Number {
		return nil
	}
	if s.Unit != "" || len(s.Sentinels) > 0 || !math.IsInf(s.Min, -1) {
		return l.errorAt(n, "signal %q is a %s: unit, range and sentinels belong to numbers", s.Name, s.Kind)
	}
	return nil
}

// scalar reads a scalar or a list into v, strictly.
func (l *catalogueLoader) scalar(n ast.Node, v any) error {
	if n.Type() == ast.NullType {
		return l.errorAt(n, "found nothing, expected a value")
	}
	if err := yaml.NodeToValue(n, v, yaml.Strict()); err != nil {
		return l.wrap(err)
	}
	return nil
}
