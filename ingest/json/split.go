package json

import "github.com/milepost-io/milepost/ingest"

// Entry is one event of a batch, as far as routing needs it.
type Entry struct {
	// Payload is the entry's own bytes, a part of what was split.
	Payload []byte
	// Type is ingest.Unknown when the entry names none that is known.
	Type ingest.Type
	// Key is the vehicle or party id; nil when the entry names none or a malformed one.
	Key   []byte
	Party bool
}

// IsBatch reports whether the payload is an array of events rather than one.
func IsBatch(payload []byte) bool { panic("not built yet") }

// Split calls yield for each entry of a payload that is one event or an array of events, in order.
func Split(payload []byte, yield func(Entry) error) error { panic("not built yet") }

// SplitLines is Split for NDJSON: one event a line, blank lines ignored.
func SplitLines(payload []byte, yield func(Entry) error) error { panic("not built yet") }

// Unwrap returns the data of a structured CloudEvent (an object with specversion and data), or the
// payload itself when it is none.
func Unwrap(payload []byte) ([]byte, error) { panic("not built yet") }
