package state

import (
	"fmt"

	"github.com/milepost-io/milepost/state/log"
)

// document returns the entry of an existing document of the key being handled, its bytes in memory; none
// when it does not exist.
func (m *Machine) document(c *Context, sub []byte) int32 {
	i := m.lookup(c, sub)
	if i == none || m.cache.docs.at(i).state != live {
		return none
	}
	return i
}

// lookup returns the entry of a document, loaded if need be; none when it is known not to exist without one.
func (m *Machine) lookup(c *Context, sub []byte) int32 {
	i := none
	if c.keyID != none {
		i, _ = m.cache.doc(c.keyID, sub)
	}
	if i == none {
		if m.opt.Backing == nil {
			return none
		}
		if c.keyID == none {
			m.pinKey(c)
		}
		if i = m.lookupStored(c.keyID, sub); i == none {
			return none
		}
	}
	d := m.cache.docs.at(i)
	d.hot = true
	if d.state == cold || d.state == loading {
		m.load(i)
	}
	return i
}

// lookupStored makes the entry of a document that has none, unless it is known not to exist.
func (m *Machine) lookupStored(k int32, sub []byte) int32 {
	if m.loadsKeys() && !m.cache.keys.at(k).whole {
		m.loadKey(k)
	}
	i, h := m.cache.doc(k, sub)
	if i != none || m.cache.keys.at(k).whole {
		return i
	}
	return m.cache.addDoc(k, sub, h, cold)
}

func (m *Machine) pinKey(c *Context) {
	c.keyID = m.cache.addKey(c.key)
	m.cache.keys.at(c.keyID).pinned = true
}

// create returns the entry of a document that is about to be written, made if it does not exist.
func (m *Machine) create(c *Context, sub []byte) int32 {
	i := m.lookup(c, sub)
	if i == none {
		if c.keyID == none {
			m.pinKey(c)
		}
		_, h := m.cache.doc(c.keyID, sub)
		i = m.cache.addDoc(c.keyID, sub, h, gone)
	}
	m.touch(c, i)
	if d := m.cache.docs.at(i); d.state != live {
		d.state, d.body, d.n, d.armed = live, 0, 0, 0
	}
	return i
}

// maxWhole is how many documents a key may have to be loaded whole.
const maxWhole = 64

// loadsKeys reports whether keys are loaded whole: a vehicle has a handful of documents and most records
// look at several of them; a party may have one for each of thousands of vehicles.
func (m *Machine) loadsKeys() bool { return m.opt.Stage == log.Events }

// load reads a cold document from the store, in a step call.
func (m *Machine) load(i int32) {
	d := m.cache.docs.at(i)
	if m.loadsKeys() && !m.cache.keys.at(d.key).whole {
		if m.loadKey(d.key); d.state != cold && d.state != loading {
			return
		}
	}
	m.keyBuf = m.appendName(m.keyBuf[:0], i)
	v, ok, err := m.opt.Backing.Get(m.valueBuf[:0], m.keyBuf)
	if err != nil {
		panic(storeFailure{fmt.Errorf("read document %q: %w", m.keyBuf, err)})
	}
	m.valueBuf = v
	if err := m.install(d, v, ok); err != nil {
		panic(storeFailure{fmt.Errorf("document %q: %w", m.keyBuf, err)})
	}
}

// loadKey reads the documents of a key that are not in memory, in a step call.
func (m *Machine) loadKey(k int32) {
	f := fetched{key: k, name: m.cache.keyName(k)}
	f.read(m.opt.Backing)
	if err := m.fill(&f); err != nil {
		panic(storeFailure{err})
	}
}

func (m *Machine) appendName(b []byte, i int32) []byte {
	d := m.cache.docs.at(i)
	return appendDocKey(b, m.cache.keyName(d.key), m.cache.subName(d))
}

// install gives a cold entry what the store holds of it.
func (m *Machine) install(d *doc, v []byte, ok bool) error {
	if !ok {
		d.state, d.armed = gone, 0
		return nil
	}
	armed, body, err := cutDocValue(v)
	if err != nil {
		return err
	}
	m.cache.resize(d, len(body))
	copy(m.cache.body(d), body)
	d.state, d.armed = live, armed
	return nil
}

// touch prepares a document for being changed by the current call: its old image goes into the write-back
// under way if that still wants it, and into the undo copy of the call.
func (m *Machine) touch(c *Context, i int32) {
	m.soil(i)
	d := m.cache.docs.at(i)
	if d.step == m.steps {
		return
	}
	d.step = m.steps
	c.changed = append(c.changed, change{doc: i, off: len(c.undo), n: d.n, state: d.state, armed: d.armed})
	if d.state == live {
		c.undo = append(c.undo, m.cache.body(d)...)
	}
}

// resize changes the length of a live document that was touched.
func (m *Machine) resize(d *doc, n int) {
	m.wb.dirtyBytes += int64(n - int(d.n))
	m.cache.resize(d, n)
}

// dropGone drops the entry of a deleted document when there is no store that it is a tombstone for.
func (m *Machine) dropGone(i int32) {
	if d := m.cache.docs.at(i); d.state == gone && d.pins == 0 {
		m.cache.drop(i)
	}
}

// roundTrip stores and loads what the call changed (E12): nothing of a document may live outside its bytes.
func (m *Machine) roundTrip() {
	for _, ch := range m.ctx.changed {
		d := m.cache.docs.at(ch.doc)
		if d.state != live {
			continue
		}
		v := appendDocValue(nil, d.armed, m.cache.body(d))
		b := m.cache.body(d)
		for i := range b {
			b[i] = 0xa5
		}
		m.cache.clear(d, cold)
		if err := m.install(d, v, true); err != nil {
			_ = m.fail(err)
		}
	}
}
