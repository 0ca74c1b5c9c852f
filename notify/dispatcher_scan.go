package notify

// rescan fills the queue from the store when there is room for half of it: at the start, and after it was
// full. Rows come in key order and the queue takes nothing else meanwhile, so what it holds of a vehicle
// is always its oldest.
func (t *destination) rescan(r *running) {
	t.mu.Lock()
	if !t.more || t.q.live > t.opt.Queue/2 {
		t.mu.Unlock()
		return
	}
	t.missed, t.removed = false, map[string]bool{}
	t.mu.Unlock()

	full := false
	err := t.opt.Scan(r.ctx, OutboxPrefix(t.name), func(key, value []byte) bool {
		full = !t.found(string(key), value)
		return !full
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.removed = nil
	if err != nil {
		if r.ctx.Err() == nil {
			t.opt.Log.Error().Err(err).Str("endpoint", t.name).Msg("the outbox cannot be read; it is tried again within a minute")
		}
		return
	}
	t.more = full || t.missed
	if t.missed {
		t.nudge()
	}
}

// found takes a row of the store in; false when there is no room.
func (t *destination) found(key string, value []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.q.items[key] != nil || t.removed[key] {
		return true
	}
	if t.q.live >= t.opt.Queue {
		return false
	}
	e, err := ParseEntry(value)
	if err != nil {
		t.opt.Log.Error().Err(err).Str("endpoint", t.name).Msg("an outbox row cannot be read and is left where it is")
		return true
	}
	t.accept(key, e)
	return true
}
