// Package state runs pure steps over durable keyed documents: records of a log partition and the timers
// of keys go in, changed documents, timers, rows and emitted notices come out, and a crash at any moment
// arrives at the same state again.
//
// A Machine applies records one by one in memory and is deterministic; a Shard drives a Machine from a
// log partition, writes it back to a store and lets effects leave when their cause is durable.
package state

// Step is the pure logic of one stage. Its methods are functions of (documents, input, now) alone: no
// clock, no random source, no file, no map order (E2). They are called by one goroutine at a time.
// What a step keeps of an Input or of a document's bytes beyond the call, it copies.
type Step interface {
	// Apply handles one input of its key. For an Event the step decides the outcome (Context.Outcome);
	// Applied is assumed otherwise.
	Apply(c *Context, in *Input)
	// Wake handles the due timer of (key, sub). It must handle everything of that document that is due
	// at Context.Now and arm the next timer. Timers are lazy: a wake may come when nothing is due.
	Wake(c *Context)
	// Control handles a control record. An activation is compiled from the payload alone; a payload that
	// does not compile changes nothing and returns the error. Documents are not reached from here.
	Control(payload []byte) error
	// Activated is called once per key after a successful Control, before anything else of that key is
	// handled: by the key's own next record or timer, or by the sweep that follows the Control.
	Activated(c *Context)
}

// InputKind says what an Input is.
type InputKind uint8

const (
	// InputEvent is an event from outside.
	InputEvent InputKind = 1 + iota
	// InputNotice is a notice emitted by the step of the stage before.
	InputNotice
	// InputResult is a destination's terminal answer.
	InputResult
)

// Input is one thing to apply to a key.
type Input struct {
	Kind InputKind
	// Key is the document key; Sub names the small document under it that a notice is about.
	Key, Sub []byte
	// At is the arrival of an event or result, or the clock of the step that emitted a notice; Unix ms.
	At int64
	// The rest is as log.Record has it (events only, but Payload).
	Types         uint32
	Oversize      bool
	Source, Topic []byte
	Codec         []byte
	Payload       []byte
}

// Outcome is what became of an event (E5, S6).
type Outcome uint8

const (
	Applied Outcome = iota
	Duplicate
	Late
	Quarantined
)

// Space is a kind of row: data a step writes but never reads. Rows are stored with the documents of the
// same write-back and read by others (the dispatcher, the console, the command line).
type Space byte

const (
	// RowOutbox holds what waits for a destination, keyed so that byte order is sending order.
	RowOutbox Space = 'o'
	// RowTimeline holds a key's story, one row an entry, in order.
	RowTimeline Space = 'h'
	// RowDead holds dead letters: quarantined records and messages that could not be delivered.
	RowDead Space = 'd'
	// RowView holds summaries for the read model (open leads, vehicles with something to say).
	RowView Space = 'v'
)
