// Package ingest takes in what cars, gateways and workshop systems say: bytes from a source become
// Records that are routed by key and handed to a Sink; codecs turn a record's payload into an Event of
// signal samples when the shard applies it.
//
// The package itself is the contract and the signal catalogue. Codecs (json) and sources (broker,
// httpapi, file, mqtt) are its sub-packages.
package ingest

import (
	"crypto/sha256"
	"encoding/binary"
)

// Type is the kind of an event.
type Type uint8

const (
	Telemetry Type = iota
	Vehicle
	Party
	Service
	Feedback
	Erase

	// Unknown stands for a type that could not be told; no set holds it.
	Unknown Type = 255
)

// typeNames are the names of the types on the wire, by Type.
var typeNames = [...]string{"telemetry", "vehicle", "party", "service", "feedback", "erase"}

func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown"
}

// ParseType returns the type of a wire name.
func ParseType(s string) (Type, bool) {
	for i, n := range typeNames {
		if n == s {
			return Type(i), true
		}
	}
	return 0, false
}

// Types is a set of event types: what a source may carry.
type Types uint32

// TypeSet makes a set.
func TypeSet(ts ...Type) Types {
	var s Types
	for _, t := range ts {
		s |= 1 << t
	}
	return s
}

// Has reports whether the set holds t.
func (s Types) Has(t Type) bool { return s&(1<<t) != 0 }

const (
	// MaxPayload is the largest payload kept whole, in bytes; of a larger one the dead letter keeps the
	// first OversizeKeep bytes, its length and its SHA-256.
	MaxPayload   = 1 << 20
	OversizeKeep = 64 << 10
	// MaxPacket is the largest packet or request read at all.
	MaxPacket = 16 << 20
)

// Oversize is the form in which a payload over MaxPayload enters the log: length (8 bytes, big-endian),
// SHA-256 (32 bytes), first OversizeKeep bytes.
func Oversize(payload []byte) []byte {
	return OversizeForm(len(payload), sha256.Sum256(payload), payload)
}

// OversizeForm is Oversize for a source that has read the payload piece by piece: its length, its
// SHA-256, and its beginning of at least OversizeKeep bytes.
func OversizeForm(length int, sum [sha256.Size]byte, beginning []byte) []byte {
	out := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(sum)+OversizeKeep), uint64(length))
	out = append(out, sum[:]...)
	return append(out, beginning[:min(len(beginning), OversizeKeep)]...)
}

// ValidKey reports whether b is a vehicle or party id: ^[A-Za-z0-9_.:-]{1,64}$.
func ValidKey(b []byte) bool {
	if len(b) == 0 || len(b) > 64 {
		return false
	}
	for _, c := range b {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}

// Record is one entry as a source hands it over. Its slices are copied by the Sink.
type Record struct {
	// Key is the vehicle id, or the party id when Party is set; empty when it could not be told (the
	// record is then quarantined under the key "").
	Key   []byte
	Party bool
	// Types are the event types the source may carry.
	Types    Types
	Oversize bool
	// Arrival in Unix milliseconds; 0: the Sink stamps it. Only files carry their own.
	Arrival       int64
	Source, Topic string
	// Origin, Seq and Rising let a redelivery be told; log.Record has their meaning.
	Origin  string
	Seq     uint64
	Rising  bool
	Codec   string
	Payload []byte
}

// Acker is told when records handed to a Sink are durable; log.Acker has the promises.
type Acker interface {
	Acked(id uint64, err error)
}

// Stopped is the error of a Sink that refuses, where another would block, because intake is stopped: for
// sources that can tell their sender. Nothing was taken.
type Stopped struct {
	// Reason says why, for people.
	Reason string
}

func (e *Stopped) Error() string { return "intake is stopped: " + e.Reason }

// Sink takes records into the log.
type Sink interface {
	// Take appends the records in order, without waiting for durability; it blocks while the log is
	// behind its disk (backpressure) and when intake is stopped, and returns an error only when the engine is ending.
	// ack.Acked(id, err) is called once, when all of them are durable or have failed, from a goroutine
	// that must not be blocked. ack may be nil.
	Take(recs []Record, ack Acker, id uint64) error
}
