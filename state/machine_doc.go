package state

import "fmt"

// document returns the entry of an existing document of the key being handled, its bytes in memory; none
// when it does not exist.
func (m *Machine) document(c *Context, sub []byte) int32 {
	i := m.lookup(c, sub)
	if i == none || m.cache.docs.at(i).state != live {
		return none
	}
	return i
}

// lookup returns the entry of a document, loaded if need be. It is none only without a Backing.
func (m *Machine) lookup(c *Context, sub []byte) int32 {
	var h uint32
	i := none
	if c.keyID != none {
		i, h = m.cache.doc(c.keyID, sub)
	}
	if i == none {
		if m.opt.Backing == nil {
			return none
		}
		if c.keyID == none {
			m.pinKey(c)
			_, h = m.cache.doc(c.keyID, sub)
		}
		i = m.cache.addDoc(c.keyID, sub, h, cold)
	}
	d := m.cache.docs.at(i)
	d.hot = true
	if d.state == cold || d.state == loading {
		m.load(i)
	}
	return i
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

// load reads a cold document from the store.
func (m *Machine) load(i int32) {
	d := m.cache.docs.at(i)
	m.keyBuf = appendDocKey(m.keyBuf[:0], m.cache.keyName(d.key), m.cache.subName(d))
	v, ok, err := m.opt.Backing.Get(m.valueBuf[:0], m.keyBuf)
	if err != nil {
		panic(storeFailure{fmt.Errorf("read document %q: %w", m.keyBuf, err)})
	}
	m.valueBuf = v
	if err := m.install(d, v, ok); err != nil {
		panic(storeFailure{fmt.Errorf("document %q: %w", m.keyBuf, err)})
	}
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
			m.fail(err)
		}
	}
}
