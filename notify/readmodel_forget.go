package notify

// Forget drops the leads and messages of vehicles and parties that were erased, made until a time (Unix ms):
// the list of messages keeps what its rows no longer say.
func (m *ReadModel) Forget(erased func(vin, party string) (until int64, ok bool)) {
	gone := func(vin, party string, made int64) bool {
		until, ok := erased(vin, party)
		return ok && made <= until
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, v := range m.leads {
		if gone(v.VIN, v.Party, v.Created) {
			m.forget(key)
		}
	}
	kept := m.order[:0]
	for _, key := range m.order {
		v := m.messages[key]
		if gone(v.VIN, v.Party, v.Created) {
			m.count(&v, -1)
			delete(m.messages, key)
			continue
		}
		kept = append(kept, key)
	}
	clear(m.order[len(kept):])
	m.order = kept
	for s := range m.subs {
		s.forget(gone)
	}
}

func (s *Subscription) forget(gone func(vin, party string, made int64) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, v := range s.ch.Leads {
		if gone(v.VIN, v.Party, v.Created) {
			delete(s.ch.Leads, id)
		}
	}
	for id, v := range s.ch.Messages {
		if gone(v.VIN, v.Party, v.Created) {
			delete(s.ch.Messages, id)
		}
	}
}
