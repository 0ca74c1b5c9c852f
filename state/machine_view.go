package state

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// View returns a document, nil when there is none. The bytes are valid until the next call of any method.
func (m *Machine) View(key, sub []byte) ([]byte, error) {
	if k, _ := m.cache.key(key); k != none {
		if i, _ := m.cache.doc(k, sub); i != none {
			switch d := m.cache.docs.at(i); d.state {
			case live:
				return m.cache.body(d), nil
			case gone:
				return nil, nil
			}
		}
	}
	if m.opt.Backing == nil {
		return nil, nil
	}
	v, ok, err := m.opt.Backing.Get(nil, appendDocKey(nil, key, sub))
	if err != nil || !ok {
		return nil, err
	}
	_, body, err := cutDocValue(v)
	return body, err
}

// Documents calls fn for the documents of a key in the order of their subs until it returns false.
func (m *Machine) Documents(key []byte, fn func(sub, body []byte) bool) error {
	return m.documents(key, func(_, sub []byte, _ int64, body []byte) bool { return fn(sub, body) })
}

// Each calls fn for every document in (key, sub) order until it returns false. armed is the time of its
// timer, Unix ms, 0 for none.
func (m *Machine) Each(fn func(key, sub []byte, armed int64, body []byte) bool) error {
	return m.documents(nil, fn)
}

// Dump writes every document and its timer in canonical form, a line each: machines that applied the same
// log write the same.
func (m *Machine) Dump(w io.Writer) error {
	var failed error
	err := m.Each(func(key, sub []byte, armed int64, body []byte) bool {
		_, failed = fmt.Fprintf(w, "%q %q %d %x\n", key, sub, armed, body)
		return failed == nil
	})
	return cmp.Or(err, failed)
}

// known is a document in memory under its stored key.
type known struct {
	name []byte
	doc  int32
}

// documents merges memory over the store; a nil key is all keys.
func (m *Machine) documents(key []byte, fn func(key, sub []byte, armed int64, body []byte) bool) error {
	mem := m.knownDocs(key)
	stopped := false
	give := func(k known) {
		d := m.cache.docs.at(k.doc)
		if d.state == live {
			stopped = !fn(m.cache.keyName(d.key), m.cache.subName(d), d.armed, m.cache.body(d))
		}
	}
	if m.opt.Backing != nil {
		var bad error
		lo, hi := []byte{docSpace, '/'}, spaceEnd(docSpace)
		if key != nil {
			lo, hi = appendDocKey(nil, key, nil), afterKey(nil, key)
		}
		err := m.opt.Backing.Scan(lo, hi, func(name, value []byte) bool {
			for len(mem) > 0 && !stopped {
				c := bytes.Compare(mem[0].name, name)
				if c > 0 {
					break
				}
				k := mem[0]
				mem = mem[1:]
				give(k)
				if c == 0 {
					return !stopped
				}
			}
			if stopped {
				return false
			}
			k, sub, err := cutDocKey(name)
			armed, body, err2 := cutDocValue(value)
			if bad = cmp.Or(err, err2); bad != nil {
				bad = fmt.Errorf("document %q: %w", name, bad)
				return false
			}
			stopped = !fn(k, sub, armed, body)
			return !stopped
		})
		if err = cmp.Or(err, bad); err != nil {
			return fmt.Errorf("state: read documents: %w", err)
		}
	}
	for ; len(mem) > 0 && !stopped; mem = mem[1:] {
		give(mem[0])
	}
	return nil
}

// knownDocs lists the entries that decide over the store, live and gone, sorted by stored key.
func (m *Machine) knownDocs(key []byte) []known {
	var list []known
	add := func(i int32) {
		d := m.cache.docs.at(i)
		if d.state == live || d.state == gone {
			list = append(list, known{appendDocKey(nil, m.cache.keyName(d.key), m.cache.subName(d)), i})
		}
	}
	if key == nil {
		for i := range m.cache.docs.next {
			add(i)
		}
	} else if k, _ := m.cache.key(key); k != none {
		for i := m.cache.keys.at(k).first; i != none; i = m.cache.docs.at(i).next {
			add(i)
		}
	}
	slices.SortFunc(list, func(a, b known) int { return bytes.Compare(a.name, b.name) })
	return list
}

// Counters calls fn for every counter, ordered by name and label.
func (m *Machine) Counters(fn func(name, label string, n int64)) {
	for _, c := range m.counterList() {
		fn(c.Name, c.Label, c.N)
	}
}
