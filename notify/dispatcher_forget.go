package notify

import "time"

// Forget drops the entries that match chooses, also those that wait for a retry, and returns when no result
// of one of them is being recorded any more: from then on none will be. What a call under way brings is
// ignored. Their rows are for the step to delete.
func (d *Dispatcher) Forget(match func(e *Entry) bool) {
	d.mu.Lock()
	ts := make([]*destination, 0, len(d.to))
	for _, t := range d.to {
		ts = append(ts, t)
	}
	d.mu.Unlock()
	for _, t := range ts {
		t.forget(match)
	}
}

func (t *destination) forget(match func(e *Entry) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, it := range t.q.items {
		if !it.ended && match(it.e) {
			if t.removed != nil {
				t.removed[key] = true // a scan under way is not to bring it back
			}
			t.q.remove(key, time.Now())
		}
	}
	for t.finishes(match) {
		t.ended.Wait()
	}
	t.nudge()
}

func (t *destination) finishes(match func(e *Entry) bool) bool {
	for _, e := range t.finishing {
		if match(e) {
			return true
		}
	}
	return false
}
