package notify

import (
	"fmt"
	"slices"

	"github.com/milepost-io/milepost/state"
)

// result applies how an entry ended, or an operator's order to send a dead letter again.
func (s *Step) result(c *state.Context, payload []byte) {
	var r Result
	err := decode(payload, &r)
	if err == nil && r.Result == Erased {
		s.erased(c, &r)
		return
	}
	if err != nil || r.VIN == "" {
		c.Count("notify_results_bad", "", 1)
		return
	}
	t := s.turn(c, r.VIN)
	switch r.Result {
	case Delivered, Dead, Expired, Disabled:
		if t.v == nil {
			return
		}
		if r.Result != Delivered && r.Generation < c.Generation() { // E14: a fact counts, a verdict does not
			c.Count("notify_verdicts_old", string(r.Result), 1)
			return
		}
		t.ended(&r)
	case Requeue:
		if t.v == nil {
			t.v = &vehicle{Version: vehicleVersion, Former: true}
		}
		t.requeue(&r)
	default:
		c.Count("notify_results_bad", "", 1)
		return
	}
	t.forgetOld()
	t.save()
}

// ended removes an entry from the outbox. A result of an entry that is not there has been applied before,
// or its message was recalled.
func (t *turn) ended(r *Result) {
	for i := range t.v.Messages {
		m := &t.v.Messages[i]
		at := slices.IndexFunc(m.Out, func(x sent) bool { return x.Endpoint == r.Endpoint && x.ID == r.ID })
		if at < 0 {
			continue
		}
		x := m.Out[at]
		m.Out = slices.Delete(m.Out, at, at+1)
		t.c.DelRow(state.RowOutbox, x.key(t.vin, t.party))
		t.c.Count("notify_results", string(r.Result), 1)
		if r.Result != Delivered {
			t.giveUp(r)
		}
		t.showResult(m, &x, r)
		t.dropEnded()
		return
	}
}

// showResult tells people of a result: in the list, and (feeds apart) in the timeline.
func (t *turn) showResult(m *message, x *sent, r *Result) {
	if x.Audience == Feed {
		return
	}
	t.story(&TimelineEntry{
		At: r.At, Kind: "delivery", ID: r.ID, Type: x.Type, Party: t.v.Facts.Owner, To: string(x.Audience),
		State: string(r.Result), Endpoint: r.Endpoint, Detail: r.Detail,
	})
	if m.View == nil {
		return
	}
	for i := range m.View.Sent {
		if d := &m.View.Sent[i]; d.Endpoint == r.Endpoint {
			d.Result, d.At, d.Detail = r.Result, r.At, r.Detail
		}
	}
	t.view(m)
}

// giveUp turns the entry that came with a verdict into a dead letter.
func (t *turn) giveUp(r *Result) {
	e, err := ParseEntry(r.Entry)
	if err != nil { // only a differing build can leave it out
		t.c.Count("notify_results_bad", "", 1)
		return
	}
	t.bury(e, string(r.Result), r.Detail, r.At)
}

// bury writes a dead letter.
func (t *turn) bury(e *Entry, reason, detail string, at int64) {
	key := deadKey(e)
	t.c.SetRow(state.RowDead, []byte(key), row(&DeadLetter{
		ID: key, At: at, Source: "notify/" + e.Endpoint, Topic: e.Type, Key: e.VIN,
		Reason: reason, Detail: detail, Entry: e.Append(nil),
	}))
}

// requeue puts a dead letter back into the outbox: the same id, the same bytes, a new place in the order.
func (t *turn) requeue(r *Result) {
	e, err := ParseEntry(r.Entry)
	if err != nil || e.VIN != t.vin || e.Party != t.party || e.ID != r.ID {
		t.c.Count("notify_results_bad", "", 1)
		return
	}
	t.c.DelRow(state.RowDead, []byte(deadKey(e)))
	for i := range t.v.Messages {
		if slices.ContainsFunc(t.v.Messages[i].Out, func(x sent) bool { return x.Endpoint == e.Endpoint && x.ID == e.ID }) {
			return // it is on its way already
		}
	}
	t.v.Seq++
	e.Created, e.Released, e.N = t.now, t.now, t.v.Seq
	t.v.Messages = append(t.v.Messages, message{N: e.N, Created: e.Created, Out: []sent{
		{Endpoint: e.Endpoint, Audience: e.Audience, ID: e.ID, Type: e.Type, Created: e.Created, N: e.N},
	}})
	t.c.SetRow(state.RowOutbox, e.Key(), e.Append(nil))
	t.story(&TimelineEntry{
		At: t.now, Kind: "delivery", ID: e.ID, Type: e.Type, Party: t.v.Facts.Owner, To: string(e.Audience),
		State: "requeued", Endpoint: e.Endpoint, Detail: fmt.Sprintf("by an operator, after %s", firstOf(r.Detail, "a verdict")),
	})
}
