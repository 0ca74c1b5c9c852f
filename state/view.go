package state

import (
	"io"

	"github.com/milepost-io/milepost/state/log"
)

// View reads a shard's state at one position. It is valid during the call it was handed to.
type View struct{ m *Machine }

// ViewOf returns a view of a Machine, valid until its next Apply.
func ViewOf(m *Machine) View { return View{m} }

// Document returns a document, nil when there is none.
func (v View) Document(key, sub []byte) ([]byte, error) { return v.m.View(key, sub) }

// Documents calls fn for the documents of a key in the order of their subs until it returns false.
func (v View) Documents(key []byte, fn func(sub, body []byte) bool) error {
	return v.m.Documents(key, fn)
}

// Each calls fn for every document in (key, sub) order until it returns false.
func (v View) Each(fn func(key, sub []byte, armed int64, body []byte) bool) error {
	return v.m.Each(fn)
}

// Rows calls fn for the rows of a space whose key starts with prefix, in key order, until it returns false.
func (v View) Rows(space Space, prefix string, fn func(key string, value []byte) bool) error {
	return v.m.Rows(space, prefix, fn)
}

// Position is the offset after the last record applied; Clock is the shard's clock, Unix ms.
func (v View) Position() log.Offset { return v.m.next }
func (v View) Clock() int64         { return v.m.clock }

// Generation is that of the last start record applied.
func (v View) Generation() uint64 { return v.m.gen }

// Control is the payload of the control record in force.
func (v View) Control() []byte { return v.m.control }

// Outcomes and Counters are those of Machine.
func (v View) Outcomes() [4]uint64                           { return v.m.Outcomes() }
func (v View) Counters(fn func(name, label string, n int64)) { v.m.Counters(fn) }
func (v View) Dump(w io.Writer) error                        { return v.m.Dump(w) }
func (v View) NextDue() (at int64, ok bool)                  { return v.m.NextDue() }
