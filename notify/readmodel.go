package notify

import (
	"encoding/json"
	"sort"
	"strings"
	"sync"
)

// ReadModel is what the console and the API list: open and recent leads and the newest messages, put
// together from the view rows of all notify shards (fed after their cause is durable). Safe for
// concurrent use; what it returns is a copy.
type ReadModel struct {
	mu       sync.Mutex
	leads    map[string]LeadView
	closed   int                    // of them
	messages map[string]MessageView // by row key
	order    []string               // message row keys by Created, oldest first
	held     map[string]int
	waiting  int
	subs     map[*Subscription]struct{}
}

// MessagesKept bounds the messages in memory; older ones are in the vehicles' timelines.
const MessagesKept = 2000

// closedKept bounds the closed leads in memory.
const closedKept = 1000

// NewReadModel returns an empty read model.
func NewReadModel() *ReadModel {
	return &ReadModel{leads: map[string]LeadView{}, messages: map[string]MessageView{}, held: map[string]int{}, subs: map[*Subscription]struct{}{}}
}

// Apply takes one change of a view row: a new value, or nil for a row that is gone. Rows of other kinds
// are ignored.
func (m *ReadModel) Apply(key string, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case strings.HasPrefix(key, LeadPrefix):
		m.lead(key, value)
	case strings.HasPrefix(key, MessagePrefix):
		m.message(key, value)
	}
}

func (m *ReadModel) lead(key string, value []byte) {
	var v LeadView
	if value == nil {
		m.forget(key)
		return
	}
	if json.Unmarshal(value, &v) != nil {
		return
	}
	m.forget(key)
	m.leads[key] = v
	if v.State == leadClosed {
		if m.closed++; m.closed > 2*closedKept {
			m.forgetClosed()
		}
	}
	for s := range m.subs {
		s.note(func(u *Changes) { u.Leads[v.Lead] = v })
	}
}

func (m *ReadModel) forget(key string) {
	if m.leads[key].State == leadClosed {
		m.closed--
	}
	delete(m.leads, key)
}

// forgetClosed drops the oldest closed leads beyond closedKept. It looks at all leads, so it is called
// once in closedKept closed ones.
func (m *ReadModel) forgetClosed() {
	var closed []string
	for k, v := range m.leads {
		if v.State == leadClosed {
			closed = append(closed, k)
		}
	}
	sort.Slice(closed, func(i, j int) bool { return m.leads[closed[i]].Updated < m.leads[closed[j]].Updated })
	for _, k := range closed[:max(0, len(closed)-closedKept)] {
		m.forget(k)
	}
}

// message keeps a message after its row is gone: the row says what a vehicle's document still holds, the
// console shows what happened.
func (m *ReadModel) message(key string, value []byte) {
	var v MessageView
	if value == nil || json.Unmarshal(value, &v) != nil {
		return
	}
	old, known := m.messages[key]
	if known {
		m.count(&old, -1)
	}
	m.count(&v, 1)
	m.messages[key] = v
	if !known {
		i := sort.Search(len(m.order), func(i int) bool { return m.messages[m.order[i]].Created > v.Created })
		m.order = append(m.order, "")
		copy(m.order[i+1:], m.order[i:])
		m.order[i] = key
	}
	for len(m.order) > MessagesKept {
		gone := m.order[0]
		old := m.messages[gone]
		m.count(&old, -1)
		delete(m.messages, gone)
		m.order = m.order[1:]
	}
	for s := range m.subs {
		s.note(func(u *Changes) { u.Messages[v.ID] = v })
	}
}

func (m *ReadModel) count(v *MessageView, n int) {
	if v.Held != "" {
		m.held[v.Held] += n
	}
	if v.State == stateWaiting {
		m.waiting += n
	}
}

// Leads lists leads, the last changed first: open ones, and closed ones too if all.
func (m *ReadModel) Leads(all bool, limit int) []LeadView {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]LeadView, 0, len(m.leads))
	for _, v := range m.leads {
		if all || v.State != leadClosed {
			out = append(out, v)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Updated != out[j].Updated {
			return out[i].Updated > out[j].Updated
		}
		return out[i].Lead < out[j].Lead
	})
	return out[:min(limit, len(out))]
}

// Messages lists the newest messages, newest first.
func (m *ReadModel) Messages(limit int) []MessageView {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(limit, len(m.order))
	out := make([]MessageView, 0, n)
	for i := len(m.order) - 1; i >= len(m.order)-n; i-- {
		out = append(out, m.messages[m.order[i]])
	}
	return out
}

// Waiting reports whether a message waits for its release: then the notify shards need the clocks of the
// rules shards sooner than once a minute (E9).
func (m *ReadModel) Waiting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waiting > 0
}

// Held counts the messages in memory that were held back, by reason.
func (m *ReadModel) Held() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]int{}
	for k, n := range m.held {
		if n > 0 {
			out[k] = n
		}
	}
	return out
}

// Changes is what happened since a subscriber last looked, the newest state of each.
type Changes struct {
	Leads    map[string]LeadView
	Messages map[string]MessageView
}

// Subscription gathers changes for one reader. A slow reader sees fewer states, never a growing queue.
type Subscription struct {
	model *ReadModel
	mu    sync.Mutex
	ch    Changes
	c     chan struct{}
}

// Subscribe starts gathering; Close ends it.
func (m *ReadModel) Subscribe() *Subscription {
	s := &Subscription{model: m, c: make(chan struct{}, 1), ch: newChanges()}
	m.mu.Lock()
	m.subs[s] = struct{}{}
	m.mu.Unlock()
	return s
}

func newChanges() Changes {
	return Changes{Leads: map[string]LeadView{}, Messages: map[string]MessageView{}}
}

// C signals that Take has something.
func (s *Subscription) C() <-chan struct{} { return s.c }

// Take returns the changes gathered and begins anew.
func (s *Subscription) Take() Changes {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.ch
	s.ch = newChanges()
	return ch
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.model.mu.Lock()
	delete(s.model.subs, s)
	s.model.mu.Unlock()
}

func (s *Subscription) note(f func(*Changes)) {
	s.mu.Lock()
	if len(s.ch.Leads)+len(s.ch.Messages) < MessagesKept {
		f(&s.ch)
	}
	s.mu.Unlock()
	select {
	case s.c <- struct{}{}:
	default:
	}
}
