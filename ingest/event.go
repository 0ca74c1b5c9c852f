package ingest

import (
	"github.com/cespare/xxhash/v2"
)

// Event is the decoded form of a record's payload. One Event is reused for many payloads: Decode fills
// it anew and allocates nothing for telemetry once its slices have grown. Byte slices in it point into
// the payload or into the decoder and are valid until its next Decode, or until the payload changes.
type Event struct {
	Type Type
	// Key is the vehicle or party id the payload names; nil when it names none (the record's key holds).
	Key []byte
	// Party says that Key is a party's id: always for Party, and for an Erase of a party.
	Party bool
	// Time is the payload's `time`, Unix milliseconds, when HasTime; absent means arrival (S1).
	Time    int64
	HasTime bool
	// Seq is the car's own count, when HasSeq; Boot tells its restarts apart: a hash of the payload's
	// `boot`, 0 when absent (S5).
	Seq    uint64
	HasSeq bool
	Boot   uint64

	// Samples are the known number and bool signals in the order of the payload, within their ranges.
	Samples []Sample
	// Sets are the set signals (dtcs, alarms); one without codes clears the set (S19).
	Sets []Set

	// UnknownSignals, UnknownFields, Nulls and OutOfRange count what was left out (S6).
	UnknownSignals, UnknownFields, Nulls, OutOfRange int

	// The one of Type is set; all are nil for Telemetry and Erase. They share nothing with the payload
	// or the decoder and may be kept.
	Vehicle     *VehicleEvent
	PartyRecord *PartyEvent
	Service     *ServiceEvent
	Feedback    *FeedbackEvent
}

// Reset empties ev for the next payload and keeps its slices' room.
func (ev *Event) Reset() {
	*ev = Event{Type: Unknown, Samples: ev.Samples[:0], Sets: ev.Sets[:0]}
}

// Sample is one value of a number or bool signal.
type Sample struct {
	// Signal is its index in the Catalogue the decoder was made with.
	Signal int
	// V is the value in the signal's unit; a bool is 0 or 1.
	V float64
}

// Set is the full content of a set signal: codes as they came, not sorted, repeats not removed.
type Set struct {
	Signal int
	Codes  [][]byte
}

// Decoder turns a payload into an Event. The error, if any, is an *Error; of ev then only Type, Key and
// Party count, as far as they could be told. A Decoder is used by one goroutine at a time.
type Decoder interface {
	Decode(payload []byte, ev *Event) error
}

// Fingerprint identifies the bytes of a payload in duplicate memory (S5). In a file it is taken of the
// line without its `arrival` member, which the file reader has cut out.
func Fingerprint(payload []byte) uint64 { return xxhash.Sum64(payload) }
