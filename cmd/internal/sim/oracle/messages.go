package oracle

import (
	"fmt"
	"slices"
	"strings"
)

// reminder is (vehicle, item, baseline, cancellations since, level): S37.
type reminder struct {
	item, label string
	cancels     int
	level       string
}

func (r reminder) tuple() string {
	return fmt.Sprintf("%s base=%s cancels=%d %s", r.item, r.label, r.cancels, r.level)
}

// event is a line on its way out.
type event struct {
	line     Line
	alerts   []string // the alerts it speaks of: (vehicle, item, baseline), or the rule's
	level    int      // of a reminder's rise
	closes   bool
	over     []string // the alerts that are over with it: the item is ok
	critical bool
	toOwner  bool
	tooLate  bool
	lead     bool
	odometer bool
	dealer   string
}

func (s *step) itemAlert(id, label string) string {
	return fmt.Sprintf("item %s %s base=%s", s.v.id, id, label)
}

// fresh leaves out the reminders that were emitted before (S37).
func (v *vehicle) fresh(items []Item, keys []reminder) ([]Item, []reminder) {
	var keptItems []Item
	var kept []reminder
	for i, k := range keys {
		if tuple := "reminder " + k.tuple(); !v.emitted[tuple] {
			v.emitted[tuple] = true
			kept, keptItems = append(kept, k), append(keptItems, items[i])
		}
	}
	return keptItems, kept
}

// reminderEvent makes a done or cancelled event (S7, S37); nil when all of it was emitted before.
func (s *step) reminderEvent(what string, items []Item, keys []reminder, reason string) *event {
	if items, keys = s.v.fresh(items, keys); len(items) == 0 {
		return nil
	}
	e := &event{line: Line{Type: "milepost.reminder." + what, Subject: s.v.vin, Time: s.e, Items: items, Reason: reason, Silent: true}, closes: true}
	var tuples []string
	for _, k := range keys {
		tuples = append(tuples, k.tuple())
		e.alerts = append(e.alerts, s.itemAlert(k.item, k.label))
	}
	for _, k := range keys {
		if it := s.v.items[k.item]; k.level == "done" || it.level == levelOK {
			e.over = append(e.over, s.itemAlert(k.item, k.label))
		}
	}
	e.line.ID = "reminder " + s.v.id + " " + strings.Join(tuples, ", ")
	e.line.Alert = e.alerts[0]
	return e
}

// riseEvent makes the event of a level: the items that rose (S32, S37).
func (s *step) riseEvent(p *plan, level int, keys []reminder) *event {
	var items []Item
	for _, k := range keys {
		items = append(items, Item{k.item, levelNames[level]})
	}
	e := s.reminderEvent(levelNames[level], items, keys, "")
	if e == nil {
		return nil
	}
	e.line.Silent, e.closes, e.level = false, false, level
	e.toOwner, _ = p.tells(level)
	return e
}

// odometerEvents are told to neither kind of endpoint (S7, S44).
func (s *step) odometerEvents() []*event {
	var out []*event
	for _, how := range s.meters {
		s.v.w.leads++
		out = append(out, &event{odometer: true, line: Line{ID: fmt.Sprintf("odometer %s %d", s.v.vin, s.v.w.leads), Type: "milepost.odometer." + how, Subject: s.v.vin, Time: s.e}})
	}
	return out
}

// message is what an owner gets: one event, or several reminders joined (S43).
type message struct {
	vin, owner string
	created    int64
	release    int64
	lines      []*Line
	opens      []opening
	reminder   bool
	released   bool
	dropped    string
}

// opening is one opening event, with the items it lists.
type opening struct {
	line   *Line
	alerts []string
	items  []string
	level  int
	at     int64
	owner  string
	toOwn  bool
	stale  bool     // made for another owner (S46)
	msg    *message // nil: held at creation
	number int      // how many lines there were before it
}

// send is S41 to S45: what becomes of an event at its creation.
func (w *world) send(v *vehicle, e *event, at int64) {
	line := &e.line
	w.lines = append(w.lines, line)
	switch {
	case e.odometer:
		line.To = "none"
	case e.lead:
		line.To = "dealer"
		if e.dealer == "" {
			line.Held = "no_dealer"
		} else {
			line.Released = at
		}
	case e.closes:
		w.close(v, e, at)
	default:
		w.open(v, e, at)
	}
}

// open makes an owner's message, or holds it back (S41, S45).
func (w *world) open(v *vehicle, e *event, at int64) {
	line := &e.line
	o := opening{number: len(w.lines) - 1, line: line, alerts: e.alerts, level: e.level, at: at, toOwn: e.toOwner}
	for _, it := range line.Items {
		o.items = append(o.items, it.ID)
	}
	owner, _ := v.profile["owner"].(string)
	o.owner = owner
	for _, a := range e.alerts {
		delete(w.closed, a)
	}
	line.To = "none"
	if e.toOwner {
		line.To = "owner"
		line.Held = w.heldBack(v, e, owner, at)
		if line.Held == "" {
			o.msg = w.deliver(v, e, owner, at, o)
		}
	}
	w.openings[v.vin] = append(w.openings[v.vin], &o)
}

// heldBack is the order of S45.
func (w *world) heldBack(v *vehicle, e *event, owner string, at int64) string {
	switch {
	case owner == "":
		return "no_owner"
	case !e.critical && !w.consents(owner):
		return "consent"
	case e.tooLate:
		return "too_late"
	case e.level > 0 && w.sameVisit(v, e, owner, at):
		return "same_visit"
	}
	return ""
}

// consents: the party's own record, else the last profile naming it, else the policy (S45, S46).
func (w *world) consents(owner string) bool {
	for _, from := range []map[string]any{w.parties[owner], w.namedBy[owner]} {
		if c, ok := from["consent"].(map[string]any); ok {
			if b, ok := c["service"].(bool); ok {
				return b
			}
		}
	}
	return w.set.consent
}

// sameVisit is S41: a message of the same or a higher level within 14 days, none of whose visit is over.
func (w *world) sameVisit(v *vehicle, e *event, owner string, at int64) bool {
	for _, o := range w.openings[v.vin] {
		if o.msg == nil || o.msg.dropped != "" || o.owner != owner || o.level < e.level || o.at <= at-14*day {
			continue
		}
		if w.allOK[v.vin].since(o) {
			continue
		}
		return true
	}
	return false
}

// okMoments are the moments at which items were ok, by the order of events.
type okMoments struct{ all []okMoment }

type okMoment struct {
	ok   map[string]bool
	line int // how many lines there were then
}

// since: there was a moment after the opening at which all its items were ok.
func (m *okMoments) since(o *opening) bool {
	if m == nil {
		return false
	}
	for _, x := range m.all {
		if x.line <= o.number {
			continue
		}
		all := true
		for _, id := range o.items {
			all = all && x.ok[id]
		}
		if all {
			return true
		}
	}
	return false
}

// deliver puts the event into a waiting message, or makes one (S43).
func (w *world) deliver(v *vehicle, e *event, owner string, at int64, o opening) *message {
	if e.level > 0 {
		for _, m := range w.messages {
			if m.reminder && !m.released && m.dropped == "" && m.vin == v.vin && m.owner == owner {
				m.lines = append(m.lines, &e.line)
				m.opens = append(m.opens, o)
				e.line.Joined = m.lines[0].ID
				return m
			}
		}
	}
	m := &message{vin: v.vin, owner: owner, created: at, release: at + w.set.wait, lines: []*Line{&e.line}, opens: []opening{o}, reminder: e.level > 0}
	w.messages = append(w.messages, m)
	if e.critical {
		m.release = at
	}
	if m.release == at && e.critical {
		m.leave(at)
	}
	return m
}

func (m *message) leave(at int64) {
	m.released = true
	m.lines[0].Released = at
}

func (m *message) drop(reason string) {
	m.dropped = reason
	m.lines[0].Held = reason // a joined line points here
}

// close is S42.
func (w *world) close(v *vehicle, e *event, at int64) {
	line := &e.line
	for _, a := range e.alerts {
		w.closed[a] = true
	}
	droppedNow := false
	for _, m := range w.messages {
		if m.released || m.dropped != "" || m.vin != v.vin || !m.speaksOf(e.alerts) {
			continue
		}
		if w.allClosed(m) {
			m.drop("superseded")
			droppedNow = true
		}
	}
	line.To = "none"
	goes := false
	held := ""
	for _, o := range w.openings[v.vin] {
		if !o.toOwn || o.stale || !shares(o.alerts, e.alerts) {
			continue
		}
		line.To = "owner"
		if held = o.line.Held; o.msg != nil {
			held = o.msg.dropped
		}
		if o.msg != nil && o.msg.dropped == "" {
			goes = true
		}
	}
	switch {
	case line.To == "none":
	case goes:
		line.Released = at
	case droppedNow:
		line.Held = "superseded"
	default:
		line.Held = held
	}
	for _, o := range w.openings[v.vin] { // what is over says nothing about what comes
		o.alerts = slices.DeleteFunc(slices.Clone(o.alerts), func(a string) bool { return slices.Contains(e.over, a) })
	}
}

func (m *message) speaksOf(alerts []string) bool {
	for _, o := range m.opens {
		if shares(o.alerts, alerts) {
			return true
		}
	}
	return false
}

func (w *world) allClosed(m *message) bool {
	for _, o := range m.opens {
		for _, a := range o.alerts {
			if !w.closed[a] {
				return false
			}
		}
	}
	return true
}

func shares(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

// release lets the messages go whose wait is over (S43).
func (w *world) release(until int64) {
	for _, m := range w.messages {
		if !m.released && m.dropped == "" && m.release <= until {
			m.leave(m.release)
		}
	}
}

// changeOwner is S46: what the old owner has not received is held.
func (w *world) changeOwner(v *vehicle) {
	for _, o := range w.openings[v.vin] {
		o.stale = true
	}
	for _, m := range w.messages {
		if m.vin == v.vin && !m.released && m.dropped == "" {
			m.drop("owner_changed")
		}
	}
}
