package ingest

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"

	"github.com/milepost-io/milepost/ingest/strictyaml"
)

func fileKeys() strictyaml.Keys {
	return strictyaml.Keys{What: "a signal file", Known: []string{"signals"}}
}

func signalKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "a signal",
		Known: []string{"name", "kind", "unit", "range", "sentinels", "hold", "stored", "vss", "label", "description"},
	}
}

// kindNames are the kinds as a signal file writes them, by SignalKind.
func kindNames() []string { return []string{"number", "bool", "set"} }

// kindUnset marks a new signal whose kind has not been read yet.
const kindUnset SignalKind = 255

func (k SignalKind) String() string {
	if names := kindNames(); int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// set takes the keys of an entry into s; known says that s was there before this file.
func (l *catalogueLoader) set(s *Signal, m map[string]*strictyaml.Node, known bool) {
	if n, ok := m["kind"]; ok {
		l.setKind(s, n, known)
	}
	if n, ok := m["unit"]; ok {
		s.Unit, _ = l.Text(n, "unit")
	}
	if n, ok := m["range"]; ok {
		l.setRange(s, n)
	}
	if n, ok := m["sentinels"]; ok {
		s.Sentinels = l.numbers(n, "sentinels")
	}
	if n, ok := m["hold"]; ok {
		l.setHold(s, n)
	}
	if n, ok := m["stored"]; ok {
		s.Stored = l.Flag(n, "stored")
	}
	if n, ok := m["vss"]; ok {
		s.VSS, _ = l.Text(n, "vss")
	}
	if n, ok := m["label"]; ok {
		l.setLabel(s, n)
	}
	if n, ok := m["description"]; ok {
		s.Description, _ = l.Text(n, "description")
	}
}

func (l *catalogueLoader) setKind(s *Signal, n *strictyaml.Node, known bool) {
	word, ok := l.Choice(n, "kind", kindNames(), nil)
	if !ok {
		return
	}
	kind := SignalKind(slices.Index(kindNames(), word))
	if known && kind != s.Kind {
		l.At(n, fmt.Sprintf("kind of %q is %q", s.Name, kind), s.Kind.String()+": a built-in signal keeps its kind")
		return
	}
	s.Kind = kind
}

func (l *catalogueLoader) setRange(s *Signal, n *strictyaml.Node) {
	before := len(l.Problems)
	r := l.numbers(n, "range")
	if len(l.Problems) > before {
		return
	}
	if len(r) != 2 || r[0] > r[1] {
		l.At(n, fmt.Sprintf("range of %q is not [least, greatest]", s.Name), "two numbers in this order")
		return
	}
	s.Min, s.Max = r[0], r[1]
}

// numbers reads a list of finite numbers.
func (l *catalogueLoader) numbers(n *strictyaml.Node, what string) []float64 {
	var out []float64
	for _, item := range l.List(n, what) {
		if v, ok := l.Number(item, what, math.Inf(-1), math.Inf(1)); ok {
			out = append(out, v)
		}
	}
	return out
}

func (l *catalogueLoader) setHold(s *Signal, n *strictyaml.Node) {
	if n.Kind == strictyaml.Text && n.Text == "ever" {
		s.Hold = HoldForever
		return
	}
	d, ok := strictyaml.ParseDuration(n.Text)
	if n.Kind != strictyaml.Text || !ok || d == 0 { // 0 is HoldForever
		l.At(n, fmt.Sprintf("hold is %s", n), "ever, or a whole number above 0 with s, m, h, d or w, such as 10m")
		return
	}
	s.Hold = d.Milliseconds()
}

// setLabel adds labels to those of a known signal.
func (l *catalogueLoader) setLabel(s *Signal, n *strictyaml.Node) {
	merged := maps.Clone(s.Label) // the base catalogue keeps its own map
	if merged == nil {
		merged = map[string]string{}
	}
	for _, t := range l.Localized(n, "label") {
		merged[t.Language] = t.Text
	}
	s.Label = merged
}

var signalName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// reservedNames cannot be signals because conditions give them another meaning.
var reservedNames = []string{
	"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
	"let", "loop", "package", "namespace", "return", "var", "void", "while",
	"vehicle", "service", "owner", "known", "age", "changed", "dtc", "has", "size", "double", "int", "string",
}

// badSignalName says what is wrong with a name and what was expected, both "" when nothing is.
func badSignalName(name string) (problem, expected string) {
	if !signalName.MatchString(name) {
		return "is no signal name", "lower-case letters, digits and _, a letter first, at most 64"
	}
	if slices.Contains(reservedNames, name) {
		return "is a word of conditions", "another name"
	}
	return "", ""
}

func namesOf(signals []Signal) []string {
	names := make([]string, len(signals))
	for i := range signals {
		names[i] = signals[i].Name
	}
	return names
}
