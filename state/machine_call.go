package state

import (
	"fmt"

	"github.com/milepost-io/milepost/state/log"
)

// callKind says which method of the step is called, and for what.
type callKind uint8

const (
	callEvent callKind = iota
	callNotice
	callResult
	callTimer
	callActivation
	callControl
)

func (k callKind) String() string {
	return [...]string{"event", "notice", "result", "timer", "activation", "control"}[k]
}

// change is what a document was before a step call changed it. Its bytes are in Context.undo.
type change struct {
	doc   int32
	off   int
	n     int32
	state docState
	armed int64
}

type emission struct {
	receiver uint16
	before   int // length of the receiver's buffer before it
}

// storeFailure carries a failed read of the store out of a step.
type storeFailure struct{ err error }

// input calls the step for an input of key entry k and returns its outcome.
func (m *Machine) input(kind callKind, in *Input, k int32) Outcome {
	m.begin(kind, in.Key, in.Sub, in.At, in, k)
	if reason, detail := m.call(); reason != "" {
		m.quarantineCall(reason, detail)
	}
	o := m.ctx.outcome
	m.end()
	return o
}

// wake calls the step for a timer or an activation.
func (m *Machine) wake(kind callKind, key, sub []byte, now int64) {
	k, _ := m.cache.key(key)
	m.begin(kind, key, sub, now, nil, k)
	if reason, detail := m.call(); reason != "" {
		m.quarantineCall(reason, detail)
	}
	m.end()
}

func (m *Machine) begin(kind callKind, key, sub []byte, now int64, in *Input, k int32) {
	m.steps++
	c := &m.ctx
	c.call, c.key, c.sub, c.now, c.in, c.outcome = kind, key, sub, now, in, Applied
	c.keyID = k
	if c.keyID != none {
		m.cache.keys.at(c.keyID).pinned = true
	}
}

// end lets go of the key.
func (m *Machine) end() {
	c := &m.ctx
	if c.keyID != none {
		m.cache.keys.at(c.keyID).pinned = false
		m.cache.dropKey(c.keyID)
	}
	c.key, c.sub, c.in, c.keyID = nil, nil, nil, none
}

// call runs the step and takes its effects over. When the step panics it takes them back (E17). A reason
// says that the input is to be quarantined.
//
// Documents are copied before their first change rather than read again from the store and replayed:
// the copy is of a few hundred bytes that are in the processor's cache and needs neither a second read
// of the log nor the documents of the key in the state of the last write-back.
func (m *Machine) call() (reason, detail string) {
	m.calls++
	if _, ok := m.condemned[Call{m.at, m.calls}]; ok {
		return "fatal", fmt.Sprintf("the process ended in this step %d times", condemnAfter)
	}
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		m.rollback()
		if f, ok := r.(storeFailure); ok {
			_ = m.fail(f.err)
			return
		}
		reason, detail = "panic", fmt.Sprint(r)
	}()
	c := &m.ctx
	if m.guard != nil && c.call != callControl {
		p, at := log.Partition{Stream: m.opt.Stage, Shard: m.opt.Shard}, Call{m.at, m.calls}
		if err := m.guard.enter(p, at); err != nil {
			_ = m.fail(err)
			return "", ""
		}
		defer func() {
			if err := m.guard.leave(p, at); err != nil {
				_ = m.fail(err)
			}
		}()
	}
	switch c.call {
	case callTimer:
		m.opt.Step.Wake(c)
	case callControl:
		c.control()
	case callActivation:
		m.opt.Step.Activated(c)
	default:
		m.opt.Step.Apply(c, c.in)
	}
	m.commit()
	return "", ""
}

// quarantineCall leaves a dead letter of what the step could not handle.
func (m *Machine) quarantineCall(reason, detail string) {
	c := &m.ctx
	c.Quarantine(reason, detail, -1)
	c.Count("panics", c.call.String(), 1)
	m.commit()
}

// commit takes over what the call did.
func (m *Machine) commit() {
	c := &m.ctx
	for _, t := range c.arms {
		m.arm(t)
	}
	for _, op := range c.rows {
		m.rows.put(op)
	}
	m.ops = append(m.ops, c.rows...)
	for _, n := range c.counts {
		m.counters[n.counter] += int64(n.n)
	}
	if m.opt.RoundTrip {
		m.roundTrip()
	}
	if m.opt.Backing == nil {
		for _, ch := range c.changed {
			m.dropGone(ch.doc)
		}
	}
	c.reset()
}

// rollback takes back what the call did.
func (m *Machine) rollback() {
	c := &m.ctx
	for _, ch := range c.changed {
		d := m.cache.docs.at(ch.doc)
		if ch.state == live {
			d.state = live
			m.resize(d, int(ch.n))
			copy(m.cache.body(d), c.undo[ch.off:])
		} else {
			m.cache.clear(d, ch.state)
		}
		d.armed = ch.armed
		if m.opt.Backing == nil {
			m.dropGone(ch.doc)
		}
	}
	for i := len(c.emitted) - 1; i >= 0; i-- {
		e := c.emitted[i]
		o := &m.out[e.receiver]
		o.notices = o.notices[:e.before]
	}
	c.reset()
}

func (c *Context) reset() {
	clear(c.rows)
	c.changed, c.undo, c.arms = c.changed[:0], c.undo[:0], c.arms[:0]
	c.emitted, c.rows, c.counts = c.emitted[:0], c.rows[:0], c.counts[:0]
}
