package json

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/milepost-io/milepost/ingest"
)

// isTyped reports whether name is a member of the events of type t, beyond those the scanner reads.
func isTyped(t ingest.Type, name string) bool {
	switch t {
	case ingest.Vehicle:
		return name == "profile"
	case ingest.Party:
		switch name {
		case "role", "name", "language", "timezone", "consent", "channels", "hours", "manager", "advisors":
			return true
		}
	case ingest.Service:
		switch name {
		case "odometer", "engine_hours", "items", "codes", "declined", "dealer", "order", "odometer_reset", "void":
			return true
		}
	case ingest.Feedback:
		switch name {
		case "about", "by", "action", "until", "note", "odometer":
			return true
		}
	}
	return false
}

// typed decodes the members of an event that is no telemetry. The scanner has walked the payload: it is
// JSON without duplicate keys, and its type, key and time are read.
func (d *Decoder) typed(ev *ingest.Event) {
	switch ev.Type {
	case ingest.Vehicle:
		ev.Vehicle = d.vehicle()
	case ingest.Party:
		ev.PartyRecord = d.party()
	case ingest.Service:
		ev.Service = d.service(ev)
	case ingest.Feedback:
		ev.Feedback = d.feedback(ev)
	}
	if d.refusal.Reason != "" && d.refusal.Offset < 0 {
		d.refusal.Offset = d.locate(strings.Split(d.refusal.Field, "."))
	}
}

// locate returns where the value at path begins in a payload that has been walked, -1 when it is absent.
func (s *scanner) locate(path []string) int {
	i := s.space(0)
	for _, step := range path {
		switch s.peek(i) {
		case '{':
			i = s.find(i, func(name []byte, _ int) bool { return string(name) == step })
		case '[':
			i = s.find(i, func(_ []byte, n int) bool { return strconv.Itoa(n) == step })
		default:
			return -1
		}
		if i < 0 {
			return -1
		}
	}
	return i
}

// find returns where the member or element that is wanted begins in the object or array at i.
func (s *scanner) find(i int, wanted func(name []byte, n int) bool) int {
	end := s.peek(i) + 2 // in ASCII, of both kinds
	if i = s.space(i + 1); s.peek(i) == end {
		return -1
	}
	for n, more := 0, true; more; n++ {
		var name []byte
		if end == '}' {
			if name, i = s.name(i); i < 0 {
				return -1
			}
		}
		if wanted(name, n) {
			return i
		}
		if i = s.skip(i, 1); i < 0 {
			return -1
		}
		if i, more = s.next(i, end); i < 0 {
			return -1
		}
	}
	return -1
}

// unmarshal decodes the payload into v and refuses it where a member has the wrong JSON type.
func (d *Decoder) unmarshal(v any) bool {
	err := json.Unmarshal(d.p, v)
	if err == nil {
		return true
	}
	var wrong *json.SemanticError
	if !errors.As(err, &wrong) {
		d.refuse(ingest.ReasonSyntax, "", -1, err.Error()) // the scanner and the library disagree
		return false
	}
	field := fieldOf(wrong.JSONPointer)
	if errors.Is(err, strconv.ErrRange) {
		d.refuse(ingest.ReasonRange, field, int(wrong.ByteOffset), "no double holds this number")
		return false
	}
	detail := "found a " + wrong.JSONKind.String()
	if wrong.GoType != nil {
		detail += ", expected " + typeWord(wrong.GoType)
	}
	d.refuse(ingest.ReasonValue, field, int(wrong.ByteOffset), detail)
	return false
}

// fieldOf writes a JSON pointer as our messages name fields: /profile/dates/insurance as
// profile.dates.insurance.
func fieldOf(p jsontext.Pointer) string {
	return strings.Join(strings.Split(strings.TrimPrefix(string(p), "/"), "/"), ".")
}

// typeWord names a Go type as a person who writes JSON would.
func typeWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeWord(t.Elem())
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a " + t.Kind().String()
	}
}
