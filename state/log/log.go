// Package log is the contract of the ordered log that everything stands on: records go in under a key,
// come out of numbered partitions in the order they went in, and are durable when the log says so.
//
// On one machine the log is state/log/journal; past one machine it is Kafka. Code above this package
// uses nothing but this contract. The suite state/log/logtest holds every implementation to it.
package log

import (
	"context"
	"errors"
)

// Stream names one of the two keyed streams.
type Stream uint8

const (
	// Events are keyed by vehicle (VIN) and applied by the rules stage.
	Events Stream = 1 + iota
	// Notices are keyed by party (owner) and applied by the notify stage.
	Notices
)

func (s Stream) String() string {
	switch s {
	case Events:
		return "events"
	case Notices:
		return "notices"
	}
	return "unknown"
}

// Partition is one ordered part of a stream; one shard applies it (E1).
type Partition struct {
	Stream Stream
	Shard  uint16
}

// Offset numbers the records of one partition densely from 0.
type Offset int64

// ID is the random identity of a log. A position is only meaningful together with it (E15).
type ID [16]byte

// Kind says what a record is to the shard that applies it.
type Kind uint8

const (
	// Event is input from outside; it ends as exactly one outcome (E5).
	Event Kind = 1 + iota
	// Handover carries the notices one rules step made for one notify shard.
	Handover
	// Start is the first record a shard appends when it takes its partition (E13).
	Start
	// Tick moves the clock of an idle shard (E9).
	Tick
	// Control activates a rule set or reports a decision taken outside the steps (E2, E10).
	Control
	// Result is a terminal answer of a destination (E14).
	Result
	// Drop takes a row out of the shard's store on an operator's word.
	Drop
	// SourcePosition notes how far a source has been taken: every record of Origin below Seq is in the log.
	// It is no input (E5) and stands on shard 0 of Events.
	SourcePosition
)

// Record is one entry of the log. Its byte slices belong to whoever filled it: Append copies them,
// and those of a record that was read are valid until the reader's next Read.
type Record struct {
	Kind Kind
	// Oversize marks a payload cut at intake; see ingest.Oversize for its form.
	Oversize bool
	// Types is the set of event types the source may carry, a bit each (ingest.Type).
	Types uint32
	// Arrival is when the record was taken in, Unix milliseconds on the engine's clock (S1).
	Arrival int64
	// Key is what the record is about: a vehicle id on Events, a party id on Notices.
	Key []byte
	// Source and Topic say where the record came from, for people ("mqtt", "vehicles/V1/telemetry").
	Source, Topic []byte
	// Origin and Seq identify the record at its source so that a redelivery changes nothing: (topic id
	// and partition, offset) for Kafka, (token and Idempotency-Key, request number) for HTTP. Empty: none.
	Origin []byte
	Seq    uint64
	// Rising says that Seq rises within Origin, as offsets do, from record to record: one at or below the
	// highest Seq that its shard applied is a redelivery. What holds several records (a Kafka message with
	// an array) gives each its own. Without Rising Seq tells requests apart, all records of one having the
	// same, and says nothing about their age.
	Rising bool
	// Codec names how Payload is encoded ("json").
	Codec   []byte
	Payload []byte
}

// Acker is told when appended records are durable.
type Acker interface {
	// Acked is called exactly once per Append with a non-zero Ack that returned no error, in append order
	// per partition, from a goroutine of the log: it must not block and must not call Append. err is nil when the records are
	// durable; otherwise they may or may not survive and nothing may be acknowledged for them.
	Acked(id uint64, err error)
}

// Ack names who to tell about an Append, and what to call it then. The zero Ack tells nobody.
type Ack struct {
	To Acker
	ID uint64
}

// Log is an ordered, durable, partitioned log.
//
// All methods may be called concurrently. Calls of Append for the same partition take effect in the
// order they are made. After a failed sync the log is dead: every waiting Ack gets the error, every
// later call returns it, Failed is closed, and the process must end (E4).
type Log interface {
	ID() ID
	// Shards is the number of partitions of a stream, fixed when the log is made.
	Shards(Stream) int
	// Append adds records to the end of a partition and returns the offset of the first. It copies the
	// records, does not wait for durability, and blocks while too many bytes wait for their sync
	// (backpressure). Records of one Append are adjacent, and survive a crash all or not at all. An
	// Append of no records is acknowledged when all before it is. One that returns an error has
	// appended nothing and is not acknowledged.
	Append(p Partition, recs []Record, ack Ack) (Offset, error)
	// Read returns a reader of p starting at from. A position below the first kept offset gives
	// ErrTrimmed, one past the end ErrPastEnd: the log is not the one the position was taken in (E15).
	Read(p Partition, from Offset) (Reader, error)
	// Range returns the first kept offset of p and the one its next record will get.
	Range(p Partition) (first, next Offset)
	// Durable returns the first offset of p that is not yet durable.
	Durable(p Partition) Offset
	// WaitDurable returns nil when every record of p below end is durable, and an error when the context
	// ends, the log fails or was closed before that.
	WaitDurable(ctx context.Context, p Partition, end Offset) error
	// Trim allows records of p below the offset to be removed. Retention may keep them longer.
	Trim(p Partition, below Offset)
	// Received is the number of Event records in the log since it was made, trimmed ones included (E5).
	Received() uint64
	// Failed is closed when the log has failed; Err then says why.
	Failed() <-chan struct{}
	Err() error
	// Close syncs what was appended, delivers the acks and releases the files. Readers, and calls that
	// append, end with ErrClosed. It must not be called from an Acker.
	Close() error
}

// Reader reads one partition in order. It is used by one goroutine at a time.
type Reader interface {
	// Read waits until there is at least one record and returns up to max of them with the offset of
	// the first. A local log may return records that are not durable yet: they may be applied, but
	// nothing they cause may leave the process before they are (E4). The records are valid until the
	// next Read.
	Read(ctx context.Context, max int) (Offset, []Record, error)
	// Poll is Read that returns no records instead of waiting.
	Poll(max int) (Offset, []Record, error)
	Close() error
}

var (
	// ErrClosed is returned by a log that was closed.
	ErrClosed = errors.New("log: closed")
	// ErrTrimmed is returned for a position whose records are no longer kept.
	ErrTrimmed = errors.New("log: position is older than what the log keeps")
	// ErrPastEnd is returned for a position that the log has not reached.
	ErrPastEnd = errors.New("log: position is past the end of the log")
)

// ShardOf is the partition of a key among n: murmur2 as Java's Kafka client computes it, so that the
// same key meets the same shard whether it came by journal or by a Kafka producer (sign bit cleared).
func ShardOf(key []byte, n int) uint16 {
	return uint16((murmur2(key) & 0x7fffffff) % uint32(n))
}

// murmur2 is org.apache.kafka.common.utils.Utils.murmur2 (seed 0x9747b28c).
func murmur2(b []byte) uint32 {
	const m, r, seed = 0x5bd1e995, 24, 0x9747b28c
	n := len(b)
	h := uint32(seed) ^ uint32(n)
	for ; len(b) >= 4; b = b[4:] {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
