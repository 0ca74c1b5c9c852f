package ingest

import "fmt"

// The reasons for which a record is quarantined (S6): short fixed words, fit for a metric label.
const (
	// ReasonSyntax: not what the codec's grammar allows, or truncated.
	ReasonSyntax = "syntax"
	// ReasonEmpty: no bytes, or an array without entries.
	ReasonEmpty = "empty"
	// ReasonUTF8: bytes or escapes that are no Unicode text.
	ReasonUTF8 = "utf8"
	// ReasonDuplicateKey: an object names a member twice.
	ReasonDuplicateKey = "duplicate_key"
	// ReasonDepth: nested deeper than MaxDepth.
	ReasonDepth = "depth"
	// ReasonOversize: larger than MaxPayload.
	ReasonOversize = "oversize"
	// ReasonType: the event's type is missing or unknown.
	ReasonType = "type"
	// ReasonUnreadable: bytes from which the source could not take any message; see Unreadable.
	ReasonUnreadable = "unreadable"
	// ReasonTopic: it came under a topic that no filter matches, so nothing is known of its form.
	ReasonTopic = "topic"
	// ReasonWrongClient: its sender may not speak for that vehicle.
	ReasonWrongClient = "wrong_client"
	// ReasonNotAllowed: the source may not carry this type of event.
	ReasonNotAllowed = "not_allowed"
	// ReasonVIN: the vehicle's or party's id is missing, malformed, or differs from the topic's.
	ReasonVIN = "vin"
	// ReasonTime: a time that is neither RFC 3339 nor Unix milliseconds of the years 0 to 9999.
	ReasonTime = "time"
	// ReasonTimezone: a zone that is not in the IANA database (S8).
	ReasonTimezone = "timezone"
	// ReasonValue: a known signal or field of the wrong type or form.
	ReasonValue = "value"
	// ReasonRange: every known sample lay outside its range, or a number no double can hold.
	ReasonRange = "range"
)

// WrongClient stands in a record's Codec, with no Types, when a way in knows that its sender may not speak
// for the vehicle. Its Source names the sender, for people; it has no Key.
const WrongClient = ReasonWrongClient

// RefuseUntyped is why a record without any allowed type is quarantined unread: its sender may not speak for
// the vehicle, or its topic is none that is taken.
func RefuseUntyped(source, topic, codec []byte) *Error {
	if string(codec) == WrongClient {
		return &Error{Reason: ReasonWrongClient, Detail: fmt.Sprintf("%s may not publish to topic %q", source, topic), Offset: -1}
	}
	return &Error{Reason: ReasonTopic, Detail: fmt.Sprintf("no filter matches topic %q", topic), Offset: -1}
}

// MaxDepth is how deep objects and arrays of a payload may be nested, its own object included.
const MaxDepth = 32

// Error says why a payload is no event. Decoders return no other error.
type Error struct {
	// Reason is one of the Reason words.
	Reason string
	// Field names the member concerned ("signals.odometer", "profile.timezone"); empty: the whole.
	Field string
	// Detail says what was seen and what was expected, for people.
	Detail string
	// Offset is where in the payload, in bytes; -1 when no place can be named.
	Offset int
}

func (e *Error) Error() string {
	s := e.Reason
	if e.Field != "" {
		s += ": " + e.Field
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(" (at byte %d)", e.Offset)
	}
	return s
}
