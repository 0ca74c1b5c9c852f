package state

import (
	"errors"
	"sync"

	"github.com/milepost-io/milepost/state/log"
)

// fewMissing is how many missing documents are left to be read when they are asked for.
const fewMissing = 8

// prefetch reads what a batch of records will most likely ask for and is not in memory: the documents of
// a vehicle; the main document of a party and the one that a notice is about. While the readers run each
// has a placeholder, so that it is neither read twice nor dropped (E16).
func (r *run) prefetch(recs []log.Record) error {
	missing := r.missing(recs)
	if len(missing) > fewMissing {
		r.fetch(missing)
	}
	var errs []error
	for i := range missing {
		if len(missing) > fewMissing {
			errs = append(errs, r.m.fill(&missing[i]))
		}
		r.m.unhold(&missing[i])
	}
	return errors.Join(errs...)
}

func (r *run) missing(recs []log.Record) []fetched {
	missing := r.fetched[:0]
	want := func(key, sub []byte) {
		if f, ok := r.m.hold(key, sub); ok {
			missing = append(missing, f)
		}
	}
	for i := range recs {
		if recs[i].Erased {
			continue
		}
		switch recs[i].Kind {
		case log.Event, log.Result:
			want(recs[i].Key, nil)
		case log.Handover:
			var h Handover
			rest, err := openHandover(recs[i].Payload, &h)
			for err == nil && len(rest) > 0 {
				var n Notice
				if rest, err = cutNotice(rest, &n); err == nil && !n.Erased() {
					want(n.Key, nil)
					want(n.Key, n.Sub)
				}
			}
		}
	}
	r.fetched = missing
	return missing
}

// fetch reads with a bounded number of readers.
func (r *run) fetch(missing []fetched) {
	var wg sync.WaitGroup
	share := (len(missing) + r.opt.Readers - 1) / r.opt.Readers
	for rest := missing; len(rest) > 0; {
		part := rest[:min(share, len(rest))]
		rest = rest[len(part):]
		wg.Go(func() {
			for i := range part {
				part[i].read(r.opt.Store)
			}
		})
	}
	wg.Wait()
}
