package rules

import (
	"github.com/milepost-io/milepost/rules/plan"
)

// reminders turns the changes of items into events: one done, one cancelled, one event a level (S7). The
// changes come in the order in which they leave.
func (s *Step) reminders(p *Plan, changes []plan.Change) {
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].Kind == changes[0].Kind && (changes[0].Kind != plan.Rose || changes[n].To == changes[0].To) {
			n++
		}
		s.reminder(p, changes[:n])
		changes = changes[n:]
	}
}

// reminder makes the event of changes of one kind, and keeps what is open by name.
func (s *Step) reminder(p *Plan, changes []plan.Change) {
	first := &changes[0]
	ev := Event{Time: s.in.at, Version: s.rules.version}
	if p != nil {
		ev.Plan = p.ID
	}
	id := newID("reminder").bytes(s.identity()).int(int64(first.Kind))
	for i := range changes {
		c := &changes[i]
		if c.Kind == plan.Done {
			s.in.served = append(s.in.served, uint64(c.Key))
		}
		item := s.track(p, c, &ev)
		if c.Repeat {
			continue // emitted before: the state goes on, nothing leaves (S37)
		}
		id.int(int64(c.Key)).bytes(c.Base.Append(s.buf[:0])).int(int64(c.Cancels)).text(item.Level)
		ev.Items = append(ev.Items, item)
	}
	if len(ev.Items) == 0 {
		return
	}
	ev.ID, ev.Alert, ev.Evidence = id.id(prefixReminder), ev.Items[0].Alert, s.readings(ev.Items)
	switch first.Kind {
	case plan.Rose:
		ev.Type = "milepost.reminder." + first.To.String()
		a := p.Notify[first.To]
		ev.ToOwner, ev.ToDealer = a.Owner, a.Dealer
		s.in.levels = append(s.in.levels, ev)
	case plan.Done:
		ev.Type, ev.Silent = "milepost.reminder.done", true
		s.in.done = append(s.in.done, ev)
	case plan.Cancelled:
		ev.Type, ev.Silent, ev.Reason = "milepost.reminder.cancelled", true, s.in.cause.String()
		s.in.cancelled = append(s.in.cancelled, ev)
	}
}

// track keeps the document of open items in step with a change and returns the item for the event.
func (s *Step) track(p *Plan, c *plan.Change, ev *Event) ItemRef {
	open := s.openDoc()
	known := open.item(c.Key)
	ref := ItemRef{Alert: itemAlertID(s.identity(), c.Key, c.Base), Level: c.From.String()}
	if c.Item >= 0 && p != nil {
		s.describe(p, c.Item, &ref)
	} else if known != nil {
		ref.ID, ref.Title, ref.Minutes, ev.Plan = known.ID, known.Title, known.Minutes, known.Plan
	}
	if c.Kind == plan.Rose {
		ref.Level = c.To.String()
		if known == nil {
			open.Items = append(open.Items, openItem{ID: ref.ID, Key: c.Key})
			known = &open.Items[len(open.Items)-1]
		}
		known.Title, known.Minutes, known.Plan = ref.Title, ref.Minutes, p.ID
		known.Owner = known.Owner || p.Notify[c.To].Owner
		return ref
	}
	ev.ToOwner = ev.ToOwner || (known != nil && known.Owner)
	if c.To == plan.OK {
		open.closeItem(c.Key)
	}
	return ref
}

// itemAlertID names (vehicle, item, baseline) (S37).
func itemAlertID(vin []byte, key plan.ItemKey, base plan.Baseline) string {
	return newID("item").bytes(vin).int(int64(key)).bytes(base.Append(nil)).id(prefixAlert)
}

// describe fills in what a message says of an item of the plan as it stands.
func (s *Step) describe(p *Plan, i int, ref *ItemRef) {
	item := &p.Items[i]
	ref.ID, ref.Title, ref.Minutes = item.ID, item.Title, item.Minutes
	s.loadCold()
	st := s.planState().Status(p.Plan, i, s.moment(s.today()))
	if d := st.Dims[plan.KM]; d.Counts {
		ref.RestKM, ref.DueKM = units(d.Rest), units(d.Due)
	}
	if d := st.Dims[plan.Hours]; d.Counts {
		ref.RestHours, ref.DueHours = units(d.Rest), units(d.Due)
	}
	if d := st.Dims[plan.Date]; d.Counts {
		days := int(d.Rest)
		ref.RestDays, ref.DueDate = &days, plan.Day(d.Due).String()
	}
	for _, d := range st.Dims {
		ref.Assumed = ref.Assumed || (d.Counts && d.Assumed)
	}
}

func units(v int64) *float64 {
	u := plan.Units(v)
	return &u
}
