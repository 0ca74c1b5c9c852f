package state

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/milepost-io/milepost/state/log"
)

// sweep is how far the keys that existed at the last control record have been activated. It goes through
// them in key order; a key that has a record or timer of its own before the sweep comes by is activated
// then and noted in Ahead, as is a key made since, which needs no activation.
type sweep struct {
	Active bool `json:"active"`
	// At is the shard's clock at the control record: the Now of every activation.
	At int64 `json:"at"`
	// Cursor is the last key swept, once Begun.
	Cursor []byte              `json:"cursor,omitempty"`
	Begun  bool                `json:"begun,omitempty"`
	Ahead  map[string]struct{} `json:"-"`
	// fresh are the keys that existed at the control record and may not be in the store yet, sorted;
	// stored are the next keys of the store. A key made since may be in either: it is in Ahead.
	fresh  []string
	stored [][]byte
	// exhausted: the store has no keys beyond stored.
	exhausted bool
}

func (m *Machine) applyControl(rec *log.Record) {
	m.in = Input{Key: rec.Key, At: m.clock, Source: rec.Source, Topic: rec.Topic, Codec: rec.Codec, Payload: rec.Payload}
	if m.input(callControl, &m.in, none) == Quarantined || m.err != nil {
		return
	}
	m.control = bytes.Clone(rec.Payload)
	m.wb.control = true
	m.sweep = sweep{Active: true, At: m.clock, Ahead: map[string]struct{}{}, fresh: m.freshKeys()}
}

// control gives the step a control payload; one that does not compile leaves a dead letter.
func (c *Context) control() {
	if err := c.m.opt.Step.Control(c.in.Payload); err != nil {
		c.Quarantine("control", err.Error(), -1)
		c.Count("control", "refused", 1)
	}
}

// freshKeys returns the keys that the store may not hold, sorted.
func (m *Machine) freshKeys() []string {
	var keys []string
	if m.opt.Backing == nil {
		for i := range m.cache.keys.next {
			if m.cache.keys.at(i).used {
				keys = append(keys, string(m.cache.keyName(i)))
			}
		}
	} else {
		for _, list := range [][]int32{m.wb.dirty, m.wb.saving} {
			for _, i := range list {
				keys = append(keys, string(m.cache.keyName(m.cache.docs.at(i).key)))
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// activate makes sure that a key about to be handled has had its activation.
func (m *Machine) activate(key []byte) {
	s := &m.sweep
	if !s.Active || s.Begun && bytes.Compare(key, s.Cursor) <= 0 {
		return
	}
	if _, done := s.Ahead[string(key)]; done {
		return
	}
	s.Ahead[string(key)] = struct{}{}
	if m.exists(key) {
		m.wake(callActivation, key, nil, s.At)
	}
}

// runSweep activates the next keys. Keys that were activated ahead or are gone cost nothing of the bound,
// so that how far it comes depends on the log alone.
func (m *Machine) runSweep() {
	s := &m.sweep
	for n := 0; s.Active && m.err == nil && n < m.opt.MaxSweep; {
		key, ok := m.sweepNext()
		if !ok {
			if m.err == nil {
				*s = sweep{}
			}
			return
		}
		s.Cursor, s.Begun = key, true
		if _, done := s.Ahead[string(key)]; done {
			delete(s.Ahead, string(key))
			continue
		}
		if m.exists(key) {
			n++
			m.wake(callActivation, key, nil, s.At)
		}
	}
}

// sweepNext returns the least key above the cursor that existed at the control record, and perhaps others.
func (m *Machine) sweepNext() (key []byte, ok bool) {
	s := &m.sweep
	if len(s.stored) == 0 && !s.exhausted && m.opt.Backing != nil {
		from := []byte{docSpace, '/'}
		if s.Begun {
			from = afterKey(nil, s.Cursor)
		}
		var err error
		if s.stored, err = m.opt.Backing.Keys(from, 4*m.opt.MaxSweep); err != nil {
			_ = m.fail(fmt.Errorf("state: sweep: %w", err))
			return nil, false
		}
		s.exhausted = len(s.stored) == 0
	}
	switch {
	case len(s.fresh) == 0 && len(s.stored) == 0:
		return nil, false
	case len(s.stored) == 0 || len(s.fresh) > 0 && s.fresh[0] < string(s.stored[0]):
		key, s.fresh = []byte(s.fresh[0]), s.fresh[1:]
		return key, true
	}
	if len(s.fresh) > 0 && s.fresh[0] == string(s.stored[0]) {
		s.fresh = s.fresh[1:]
	}
	key, s.stored = s.stored[0], s.stored[1:]
	return key, true
}

// exists reports whether a key has a document.
func (m *Machine) exists(key []byte) bool {
	if k, _ := m.cache.key(key); k != none {
		for i := m.cache.keys.at(k).first; i != none; i = m.cache.docs.at(i).next {
			if m.cache.docs.at(i).state == live {
				return true
			}
		}
	}
	if m.opt.Backing == nil {
		return false
	}
	found := false
	err := m.documents(key, func(_, _ []byte, _ int64, _ []byte) bool {
		found = true
		return false
	})
	if err != nil {
		_ = m.fail(err)
	}
	return found
}
