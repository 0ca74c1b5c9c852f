package state

import (
	"bytes"
	"fmt"

	"github.com/milepost-io/milepost/state/log"
)

// fetched is what a reader brings from the store: the documents of a key, or one of them. A reader
// touches nothing of the Machine, so that several can work while the shard waits.
type fetched struct {
	key   int32
	doc   int32  // the one document, unless whole keys are read
	one   bool   // read doc alone
	name  []byte // the key, or the stored key of doc
	found []storedDoc
	whole bool // found is all there is
	err   error
}

type storedDoc struct{ sub, value []byte }

// read reads what was asked for.
func (f *fetched) read(b Backing) {
	if f.one {
		v, ok, err := b.Get(nil, f.name)
		f.err = err
		if ok {
			f.found = []storedDoc{{value: v}}
		}
		return
	}
	lo := appendDocKey(nil, f.name, nil)
	f.whole = true
	err := b.Scan(lo, afterKey(nil, f.name), func(k, v []byte) bool {
		if f.whole = len(f.found) < maxWhole; f.whole {
			f.found = append(f.found, storedDoc{bytes.Clone(k[len(lo):]), bytes.Clone(v)})
		}
		return f.whole
	})
	if err != nil {
		f.err = fmt.Errorf("read documents of %q: %w", f.name, err)
	}
}

// hold makes a placeholder for what a record about (key, sub) will ask for; false when it is in memory.
func (m *Machine) hold(key, sub []byte) (f fetched, missing bool) {
	k := m.cache.addKey(key)
	entry := m.cache.keys.at(k)
	if m.loadsKeys() {
		if entry.whole || entry.pinned {
			return f, false
		}
		entry.pinned = true
		return fetched{key: k, name: m.cache.keyName(k)}, true
	}
	i, h := m.cache.doc(k, sub)
	if i == none {
		i = m.cache.addDoc(k, sub, h, cold)
	}
	d := m.cache.docs.at(i)
	d.hot = true
	if d.state != cold {
		return f, false
	}
	d.state = loading
	d.pins++
	return fetched{key: k, doc: i, one: true, name: m.appendName(nil, i)}, true
}

// fill enters what was read, where memory knows nothing newer.
func (m *Machine) fill(f *fetched) error {
	switch {
	case f.err != nil:
		return f.err
	case f.one:
		d := m.cache.docs.at(f.doc)
		if d.state != loading {
			return nil
		}
		if len(f.found) == 0 {
			return m.install(d, nil, false)
		}
		return m.install(d, f.found[0].value, true)
	}
	for _, s := range f.found {
		i, h := m.cache.doc(f.key, s.sub)
		if i == none {
			i = m.cache.addDoc(f.key, s.sub, h, cold)
		}
		d := m.cache.docs.at(i)
		d.hot = true
		if d.state != cold && d.state != loading {
			continue
		}
		if err := m.install(d, s.value, true); err != nil {
			return fmt.Errorf("document %q of %q: %w", s.sub, f.name, err)
		}
	}
	if f.whole {
		m.settle(f.key)
	}
	return nil
}

// settle notes that the store has no documents of a key but those that memory knows.
func (m *Machine) settle(k int32) {
	entry := m.cache.keys.at(k)
	entry.whole = true
	for i := entry.first; i != none; i = m.cache.docs.at(i).next {
		if d := m.cache.docs.at(i); d.state == cold || d.state == loading {
			d.state, d.armed = gone, 0
		}
	}
}

// warm reads ahead what the next few records will touch. One record after the other, each waits for main
// memory several times: for its key, its document's entry, the document. Read together, the waits overlap,
// which halves what a record costs whose vehicle has not been heard for a while. Nothing changes by it.
func (m *Machine) warm(recs []log.Record) {
	var first [warmRecords]int32
	for i := range recs {
		first[i] = none
		if k, _ := m.cache.key(recs[i].Key); k != none {
			first[i] = m.cache.keys.at(k).first
		}
	}
	for _, i := range first[:len(recs)] {
		if i == none {
			continue
		}
		const cacheLine = 64
		b := m.cache.body(m.cache.docs.at(i))
		for at := 0; at < len(b); at += cacheLine {
			m.warmed += b[at]
		}
	}
}

// warmRecords is how many records are read ahead for at once.
const warmRecords = 16

// unhold lets go of a placeholder; one that was not filled is cold again.
func (m *Machine) unhold(f *fetched) {
	if !f.one {
		m.cache.keys.at(f.key).pinned = false
		m.cache.dropKey(f.key)
		return
	}
	if d := m.cache.docs.at(f.doc); d.state == loading {
		d.state = cold
	}
	m.release(f.doc)
}
