package state

import (
	"errors"
	"sync"

	"github.com/milepost-io/milepost/state/log"
)

// fewMissing is how many missing documents are left to be read when they are asked for.
const fewMissing = 8

// fetched is a document read ahead.
type fetched struct {
	doc   int32
	value []byte
	ok    bool
	err   error
}

// prefetch reads the documents that a batch of records will most likely ask for and that are not in
// memory: the main document of every key and what a notice is about. While the readers run each has a
// placeholder, so that it is neither read twice nor evicted (E16).
func (r *run) prefetch(recs []log.Record) error {
	var missing []fetched
	want := func(key, sub []byte) {
		if i, cold := r.m.hold(key, sub); cold {
			missing = append(missing, fetched{doc: i})
		}
	}
	for i := range recs {
		switch recs[i].Kind {
		case log.Event, log.Result:
			want(recs[i].Key, nil)
		case log.Handover:
			var h Handover
			rest, err := openHandover(recs[i].Payload, &h)
			for err == nil && len(rest) > 0 {
				var n Notice
				if rest, err = cutNotice(rest, &n); err == nil {
					want(n.Key, nil)
					want(n.Key, n.Sub)
				}
			}
		}
	}
	if len(missing) > fewMissing {
		r.fetch(missing)
	}
	var errs []error
	for i := range missing {
		r.m.unhold(&missing[i])
		errs = append(errs, missing[i].err)
	}
	return errors.Join(errs...)
}

// fetch reads the missing documents with a bounded number of readers.
func (r *run) fetch(missing []fetched) {
	var wg sync.WaitGroup
	share := (len(missing) + r.opt.Readers - 1) / r.opt.Readers
	for rest := missing; len(rest) > 0; {
		part := rest[:min(share, len(rest))]
		rest = rest[len(part):]
		wg.Go(func() {
			var key []byte
			for i := range part {
				key = r.m.appendName(key[:0], part[i].doc)
				part[i].value, part[i].ok, part[i].err = r.opt.Store.Get(nil, key)
			}
		})
	}
	wg.Wait()
	for i := range missing {
		if missing[i].err == nil {
			missing[i].err = r.m.fill(&missing[i])
		}
	}
}

// hold makes a placeholder for a document that is not in memory.
func (m *Machine) hold(key, sub []byte) (i int32, missing bool) {
	k := m.cache.addKey(key)
	i, h := m.cache.doc(k, sub)
	if i == none {
		i = m.cache.addDoc(k, sub, h, cold)
	}
	d := m.cache.docs.at(i)
	d.hot = true
	if d.state != cold {
		return i, false
	}
	d.state = loading
	d.pins++
	return i, true
}

// fill gives a placeholder what was read.
func (m *Machine) fill(f *fetched) error {
	if d := m.cache.docs.at(f.doc); d.state == loading {
		return m.install(d, f.value, f.ok)
	}
	return nil
}

// unhold lets go of a placeholder; one that was not filled is cold again.
func (m *Machine) unhold(f *fetched) {
	if d := m.cache.docs.at(f.doc); d.state == loading {
		d.state = cold
	}
	m.release(f.doc)
}

func (m *Machine) appendName(b []byte, i int32) []byte {
	d := m.cache.docs.at(i)
	return appendDocKey(b, m.cache.keyName(d.key), m.cache.subName(d))
}
