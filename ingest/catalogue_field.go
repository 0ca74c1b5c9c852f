package ingest

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// signalKeys are the keys of an entry of a signal file.
var signalKeys = []string{"name", "kind", "unit", "range", "sentinels", "hold", "stored", "vss", "label", "description"}

// kindNames are the kinds as a signal file writes them, by SignalKind.
var kindNames = []string{"number", "bool", "set"}

// kindUnset marks a new signal whose kind has not been read yet.
const kindUnset SignalKind = 255

func (k SignalKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// set takes one key of an entry into s; known says that s was there before this file.
func (l *catalogueLoader) set(s *Signal, f field, known bool) error {
	switch f.key {
	case "kind":
		return l.setKind(s, f, known)
	case "unit":
		return l.scalar(f.value, &s.Unit)
	case "range":
		return l.setRange(s, f)
	case "sentinels":
		s.Sentinels = nil
		return l.scalar(f.value, &s.Sentinels)
	case "hold":
		return l.setHold(s, f)
	case "stored":
		return l.scalar(f.value, &s.Stored)
	case "vss":
		return l.scalar(f.value, &s.VSS)
	case "label":
		var own map[string]string
		if err := l.scalar(f.value, &own); err != nil {
			return err
		}
		merged := maps.Clone(s.Label) // the base catalogue keeps its own map
		if merged == nil {
			merged = own
		}
		maps.Copy(merged, own)
		s.Label = merged
		return nil
	case "description":
		return l.scalar(f.value, &s.Description)
	}
	return nil // name: read before
}

func (l *catalogueLoader) setKind(s *Signal, f field, known bool) error {
	var word string
	if err := l.scalar(f.value, &word); err != nil {
		return err
	}
	k := slices.Index(kindNames, word)
	if k < 0 {
		return l.errorAt(f.value, "unknown kind %q: expected number, bool or set%s", word, didYouMean(word, kindNames))
	}
	if known && SignalKind(k) != s.Kind {
		return l.errorAt(f.value, "signal %q is a %s: a built-in signal keeps its kind", s.Name, s.Kind)
	}
	s.Kind = SignalKind(k)
	return nil
}

func (l *catalogueLoader) setRange(s *Signal, f field) error {
	var r []float64
	if err := l.scalar(f.value, &r); err != nil {
		return err
	}
	if len(r) != 2 || !(r[0] <= r[1]) || math.IsInf(r[0], 0) || math.IsInf(r[1], 0) {
		return l.errorAt(f.value, "range of %q: expected [least, greatest], two finite numbers in this order", s.Name)
	}
	s.Min, s.Max = r[0], r[1]
	return nil
}

func (l *catalogueLoader) setHold(s *Signal, f field) error {
	var word string
	if err := l.scalar(f.value, &word); err != nil {
		return err
	}
	if word == "ever" {
		s.Hold = HoldForever
		return nil
	}
	ms, ok := parseHold(word)
	if !ok {
		return l.errorAt(f.value, "hold of %q is %q: expected ever, or a whole number above 0 with s, m, h, d or w (10m)", s.Name, word)
	}
	s.Hold = ms
	return nil
}

// parseHold reads a duration (S8: integers with s m h d w) of at most a hundred years, in milliseconds.
func parseHold(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	unit, ok := map[byte]int64{'s': 1000, 'm': 60_000, 'h': 3_600_000, 'd': 86_400_000, 'w': 7 * 86_400_000}[s[len(s)-1]]
	if !ok || strings.HasPrefix(s, "+") {
		return 0, false
	}
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	if err != nil || n <= 0 || n > 36_525*86_400_000/unit {
		return 0, false
	}
	return n * unit, true
}

var signalName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// reservedNames cannot be signals because conditions give them another meaning.
var reservedNames = []string{
	"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
	"let", "loop", "package", "namespace", "return", "var", "void", "while",
	"vehicle", "service", "owner", "known", "age", "changed", "dtc", "has", "size", "double", "int", "string",
}

// badSignalName says what is wrong with a name, empty when nothing is.
func badSignalName(name string) string {
	if !signalName.MatchString(name) {
		return "is no signal name: expected lower-case letters, digits and _, a letter first, at most 64"
	}
	if slices.Contains(reservedNames, name) {
		return "is a word of conditions: choose another"
	}
	return ""
}

func namesOf(signals []Signal) []string {
	names := make([]string, len(signals))
	for i := range signals {
		names[i] = signals[i].Name
	}
	return names
}

// kindOf names what a node is, for error messages.
func kindOf(n ast.Node) string { return strings.ToLower(n.Type().String()) }
