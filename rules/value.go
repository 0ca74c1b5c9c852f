package rules

import (
	"strings"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/cond"
)

// signalValue is a stored value as events and listings show it.
func signalValue(kind ingest.SignalKind, v float64) any {
	if kind == ingest.Bool {
		return v != 0
	}
	return v
}

// codeNames are the codes of a set.
func codeNames(codes []byte) []string {
	out := []string{}
	for name, rest, ok := cond.Codes(codes).Next(); ok; name, rest, ok = rest.Next() {
		out = append(out, string(name))
	}
	return out
}

// appendValue writes what a name in a message stands for.
func (s *Step) appendValue(dst []byte, name string) []byte {
	if path, ok := strings.CutPrefix(name, "vehicle."); ok {
		switch kind, num, str := s.profile().fact(path); kind {
		case cond.String:
			return append(dst, str...)
		case cond.Number:
			return appendNumber(dst, num)
		case cond.Bool:
			return appendBool(dst, num != 0)
		}
		return append(dst, noValue...)
	}
	signal, ok := s.prog.catalogue.Index(name)
	if !ok {
		return append(dst, noValue...)
	}
	e, ok := s.valueOf(signal)
	if !ok {
		return append(dst, noValue...)
	}
	switch v := e.Value.(type) {
	case float64:
		return appendNumber(dst, v)
	case bool:
		return appendBool(dst, v)
	case []string:
		return append(dst, strings.Join(v, ", ")...)
	}
	return append(dst, noValue...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}
