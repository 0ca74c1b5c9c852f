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
		detail += ", expected a " + typeWord(wrong.GoType)
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
		return "number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "list"
	case reflect.Struct, reflect.Map:
		return "object"
	default:
		return t.Kind().String()
	}
}
