package state

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/state/log"
)

// Context is what a step may do while it handles one input or timer of a key. The slices that View, Edit
// and Resize return are valid until the next Context call that creates, resizes or deletes a document.
// Documents start 8-byte aligned.
//
// Everything done through a Context takes effect when the step's method returns; when it panics instead,
// nothing of it does (E17).
type Context struct {
	m       *Machine
	now     int64
	key     []byte
	sub     []byte
	keyID   int32 // entry of key; none until a document of it is asked for
	call    callKind
	in      *Input // nil for timers and activations
	outcome Outcome

	// What the call did so far: taken over by commit, taken back by rollback.
	changed []change
	undo    []byte
	arms    []timer
	emitted []emission
	rows    []RowOp
	counts  []count
}

// Now is the arrival of the event, the clock of the notice's sender, the due time of the timer, or, in
// Activated, the shard's clock when the control record was applied; Unix ms.
func (c *Context) Now() int64 { return c.now }

// Key and Sub name what is handled.
func (c *Context) Key() []byte { return c.key }
func (c *Context) Sub() []byte { return c.sub }

// View returns a document of the key, read-only; nil when there is none.
func (c *Context) View(sub []byte) []byte {
	d := c.m.document(c, sub)
	if d == none {
		return nil
	}
	return c.m.cache.body(c.m.cache.docs.at(d))
}

// Edit returns a document to be changed in place; nil when there is none.
func (c *Context) Edit(sub []byte) []byte {
	i := c.m.document(c, sub)
	if i == none {
		return nil
	}
	c.m.touch(c, i)
	return c.m.cache.body(c.m.cache.docs.at(i))
}

// Resize makes the document n bytes long, zero-filled where it grows, creating it if need be, and returns it to be changed in place.
func (c *Context) Resize(sub []byte, n int) []byte {
	i := c.m.create(c, sub)
	d := c.m.cache.docs.at(i)
	old := int(d.n)
	c.m.resize(d, n)
	b := c.m.cache.body(d)
	if n > old {
		clear(b[old:])
	}
	return b
}

// Put replaces the document by a copy of b.
func (c *Context) Put(sub, b []byte) {
	i := c.m.create(c, sub)
	d := c.m.cache.docs.at(i)
	c.m.resize(d, len(b))
	copy(c.m.cache.body(d), b)
}

// Delete removes the document and its timer.
func (c *Context) Delete(sub []byte) {
	i := c.m.document(c, sub)
	if i == none {
		return
	}
	c.m.touch(c, i)
	d := c.m.cache.docs.at(i)
	c.m.cache.clear(d, gone)
	d.armed = 0
}

// WakeAt makes sure that (key, sub) is woken at or before at (Unix ms). A timer that is armed for an
// earlier time is left: the step finds nothing due then and arms again. The document must exist. A time
// that is not after Now counts as the next millisecond.
func (c *Context) WakeAt(sub []byte, at int64) {
	i := c.m.document(c, sub)
	if i == none {
		panic(fmt.Sprintf("timer of a document that does not exist: %q", sub))
	}
	at = max(at, c.now+1)
	d := c.m.cache.docs.at(i)
	if d.armed != 0 && d.armed <= at {
		return
	}
	c.m.touch(c, i)
	d.armed = at
	c.arms = append(c.arms, timer{due: at, doc: i})
}

// Emit sends a notice about (key, sub) to the next stage: in order, exactly once.
func (c *Context) Emit(key, sub, payload []byte) {
	m := c.m
	if m.opt.Receivers == 0 {
		panic("emit in a stage that has none after it")
	}
	r := log.ShardOf(key, m.opt.Receivers)
	o := &m.out[r]
	c.emitted = append(c.emitted, emission{receiver: r, before: len(o.notices)})
	o.notices = appendNotice(o.notices, &Notice{Key: key, Sub: sub, At: c.now, Payload: payload})
}

// SetRow writes a row, DelRow deletes one; a step never reads rows.
func (c *Context) SetRow(space Space, rowKey, value []byte) {
	c.rows = append(c.rows, RowOp{Space: space, Key: string(rowKey), Value: bytes.Clone(value)})
}

func (c *Context) DelRow(space Space, rowKey []byte) {
	c.rows = append(c.rows, RowOp{Space: space, Key: string(rowKey), Delete: true})
}

// AddRow appends a row under prefix; the engine completes the row key so that byte order is the order of
// creation and a replay writes the same row. End the prefix so that no other begins with it.
func (c *Context) AddRow(space Space, prefix, value []byte) {
	c.addRow(space, prefix, bytes.Clone(value))
}

// addRow owns value. The number within the record counts rows of calls that were taken back too.
func (c *Context) addRow(space Space, prefix, value []byte) {
	key := appendRowSuffix(make([]byte, 0, len(prefix)+rowSuffix), prefix, c.m.at, c.m.rowSeq)
	c.m.rowSeq++
	c.rows = append(c.rows, RowOp{Space: space, Key: string(key), Value: value})
}

// Outcome says what became of the event.
func (c *Context) Outcome(o Outcome) { c.outcome = o }

// Quarantine is Outcome(Quarantined) with a dead letter of the input. reason is a short fixed word
// ("syntax", "range", "vin"); offset is where in the payload, or -1.
func (c *Context) Quarantine(reason, detail string, offset int) {
	c.outcome = Quarantined
	l := DeadLetter{
		Reason: reason, Detail: strings.ToValidUTF8(detail, "\uFFFD"), At: offset,
		Input: c.call.String(), Key: string(c.key), Sub: string(c.sub), Time: c.now,
	}
	if in := c.in; in != nil {
		l.Source, l.Topic, l.Codec = string(in.Source), string(in.Topic), string(in.Codec)
		l.Types, l.Oversize, l.Payload = in.Types, in.Oversize, in.Payload
	}
	c.addRow(RowDead, nil, l.Encode())
}

// Count adds n to a counter that is stored with the position: name and label are bounded sets.
func (c *Context) Count(name, label string, n int) {
	c.counts = append(c.counts, count{counter{name, label}, n})
}
