package notify

import (
	"encoding/json"
	"fmt"
	"testing"
)

func view(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadModelListsNewestFirst(t *testing.T) {
	m := NewReadModel()
	sub := m.Subscribe()
	defer sub.Close()
	m.Apply(LeadKey("D1", "l1"), view(t, LeadView{Lead: "l1", State: "new", Updated: 1}))
	m.Apply(LeadKey("D1", "l2"), view(t, LeadView{Lead: "l2", State: "closed", Updated: 2}))
	m.Apply(messageKey("V1", 5, 1, "O"), view(t, MessageView{ID: "b", Created: 5}))
	m.Apply(messageKey("V1", 3, 0, "O"), view(t, MessageView{ID: "a", Created: 3, Held: "consent"}))
	if got := m.Leads(false, 10); len(got) != 1 || got[0].Lead != "l1" {
		t.Fatalf("open leads: %+v", got)
	}
	if got := m.Leads(true, 10); len(got) != 2 || got[0].Lead != "l2" {
		t.Fatalf("all leads: %+v", got)
	}
	if got := m.Messages(10); len(got) != 2 || got[0].ID != "b" || got[1].ID != "a" {
		t.Fatalf("messages: %+v", got)
	}
	if m.Held()["consent"] != 1 {
		t.Fatalf("held: %v", m.Held())
	}
	<-sub.C()
	if ch := sub.Take(); len(ch.Leads) != 2 || len(ch.Messages) != 2 {
		t.Fatalf("changes: %+v", ch)
	}
	m.Apply(messageKey("V1", 3, 0, "O"), view(t, MessageView{ID: "a", Created: 3, State: "sent"}))
	if len(m.Held()) != 0 {
		t.Fatalf("no longer held: %v", m.Held())
	}
}

func TestReadModelIsBounded(t *testing.T) {
	m := NewReadModel()
	for i := range 3 * MessagesKept {
		m.Apply(messageKey("V", int64(i), 0, "O"), view(t, MessageView{ID: fmt.Sprint(i), Created: int64(i), Held: "consent"}))
		m.Apply(LeadKey("D", fmt.Sprint(i)), view(t, LeadView{Lead: fmt.Sprint(i), State: "closed", Updated: int64(i)}))
	}
	if n := len(m.Messages(1 << 30)); n != MessagesKept || m.Held()["consent"] != MessagesKept {
		t.Fatalf("%d messages, held %v", n, m.Held())
	}
	if n := len(m.Leads(true, 1<<30)); n > 2*closedKept {
		t.Fatalf("%d leads", n)
	}
	if got := m.Messages(1)[0].ID; got != fmt.Sprint(3*MessagesKept-1) {
		t.Fatalf("newest: %s", got)
	}
}
