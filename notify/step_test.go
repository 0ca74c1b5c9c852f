package notify_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// S43: a reminder waits for its group, a critical alert does not, an alert never joins.
func TestGroupWait(t *testing.T) {
	b := newBench(t, 10*minute)
	b.events(items(item("oil", "soon")), reminder("r1", "soon", item("oil", "soon")))
	b.wantOutbox()
	b.advance(4 * minute)
	b.events(items(item("oil", "due"), item("tyre", "soon")), reminder("r2", "due", item("oil", "due")), reminder("r3", "soon", item("tyre", "soon")))
	b.events(b.facts.NotOK, firing("hot", "critical"), firing("flat", "warning"))
	b.want(
		"created r1 to owner",
		"created r2 to owner +4m", "joined r2 to r1 +4m",
		"created r3 to owner +4m", "held r3 same_visit +4m", // S41: the due of a moment ago speaks for it
		"created e_hot to owner +4m", "released e_hot +4m",
		"created e_flat to owner +4m",
	)
	b.wantOutbox("app e_hot alert.firing")
	b.advance(6 * minute)
	b.want("released r1 +10m")
	b.advance(4 * minute)
	b.want("released e_flat +14m")
	b.wantOutbox("app r1 reminder.due", "app e_hot alert.firing", "app e_flat alert.firing") // S45: order of creation
	if d := b.data("r1"); d["alert"] != "a_oil" || len(d["items"].([]any)) != 2 {
		t.Errorf("the group speaks of alert %v and items %v, want a_oil and both items", d["alert"], d["items"])
	}
}

// S43: a reminder does not join an alert that waits.
func TestAlertGathersNothing(t *testing.T) {
	b := newBench(t, 10*minute)
	b.events(nil, firing("flat", "warning"))
	b.now += minute
	b.events(items(item("oil", "soon")), reminder("r1", "soon", item("oil", "soon")))
	b.advance(10 * minute)
	b.want("created e_flat to owner", "created r1 to owner +1m", "released e_flat +10m", "released r1 +11m")
}

// S43: wait 0 and silent leave at once.
func TestNoWait(t *testing.T) {
	b := newBench(t, 0)
	b.events(items(item("oil", "soon")), reminder("r1", "soon", item("oil", "soon")))
	b.want("created r1 to owner", "released r1")
	b = newBench(t, 10*minute)
	quiet := firing("flat", "warning")
	quiet.Silent = true
	b.events(nil, quiet)
	b.want("created e_flat to owner", "released e_flat")
}

// S41: what silences a reminder, and what ends that.
func TestSameVisit(t *testing.T) {
	told := func(t *testing.T) *bench {
		b := newBench(t, 0)
		b.events(items(item("oil", "due"), item("belt", "due")), reminder("r1", "due", item("oil", "due"), item("belt", "due")))
		b.want("created r1 to owner", "released r1")
		b.now += day
		return b
	}
	after := " +1440m"
	t.Run("same or lower level is held", func(t *testing.T) {
		b := told(t)
		b.events(items(item("oil", "due"), item("belt", "due"), item("tyre", "soon")), reminder("r2", "soon", item("tyre", "soon")))
		b.want("created r2 to owner"+after, "held r2 same_visit"+after)
	})
	t.Run("higher level is told", func(t *testing.T) {
		b := told(t)
		b.events(items(item("oil", "overdue"), item("belt", "due")), reminder("r2", "overdue", item("oil", "overdue")))
		b.want("created r2 to owner"+after, "released r2"+after)
	})
	t.Run("after 14 days it is told", func(t *testing.T) {
		b := told(t)
		b.now += 13*day - 1
		b.events(b.facts.NotOK, reminder("r2", "soon", item("tyre", "soon")))
		b.now++
		b.events(b.facts.NotOK, reminder("r3", "soon", item("tyre", "soon")))
		b.want("created r2 to owner +20159m", "held r2 same_visit +20159m", "created r3 to owner +20160m", "released r3 +20160m")
	})
	t.Run("one item of two ok is still the same visit", func(t *testing.T) {
		b := told(t)
		b.events(items(item("belt", "due"), again(item("oil", "soon"))), reminder("d", "done", item("oil", "due")), reminder("r2", "soon", again(item("oil", "soon"))))
		b.want("created d to owner"+after, "released d"+after, "created r2 to owner"+after, "held r2 same_visit"+after)
	})
	t.Run("a done that rises at once is told", func(t *testing.T) {
		b := told(t)
		b.events(items(again(item("oil", "soon"))),
			reminder("d", "done", item("oil", "due"), item("belt", "due")), reminder("r2", "soon", again(item("oil", "soon"))))
		b.want("created d to owner"+after, "released d"+after, "created r2 to owner"+after, "released r2"+after)
	})
	t.Run("a superseded message silences nothing", func(t *testing.T) {
		b := newBench(t, 10*minute)
		b.events(items(item("oil", "overdue")), reminder("r1", "overdue", item("oil", "overdue")))
		b.events(items(item("oil", "soon")), reminder("c1", "cancelled", item("oil", "overdue"))) // S36: the level fell, not to ok
		b.seen = nil
		b.events(items(item("oil", "soon"), item("tyre", "soon")), reminder("r2", "soon", item("tyre", "soon")))
		b.advance(10 * minute)
		b.want("created r2 to owner", "released r2 +10m")
	})
	t.Run("a held message silences nothing", func(t *testing.T) {
		b := newBench(t, 0)
		b.facts.Consent = []byte(`{"service":false}`)
		b.events(items(item("oil", "due")), reminder("r1", "due", item("oil", "due")))
		b.facts.Consent = nil
		b.events(items(item("oil", "due"), item("tyre", "soon")), reminder("r2", "soon", item("tyre", "soon")))
		b.want("created r1 to owner", "held r1 consent", "created r2 to owner", "released r2")
	})
}

// S45: the reasons and their order.
func TestHoldReasons(t *testing.T) {
	late := func(e rules.Event) rules.Event { e.Late = true; return e }
	for _, c := range []struct {
		name   string
		facts  func(*rules.Facts)
		party  string // a party event
		policy string
		event  rules.Event
		want   string
	}{
		{name: "no owner comes first", facts: func(f *rules.Facts) { f.Owner, f.Consent = "", []byte(`{"service":false}`) }, event: late(firing("x", "warning")), want: "no_owner"},
		{name: "no owner holds critical too", facts: func(f *rules.Facts) { f.Owner = "" }, event: firing("x", "critical"), want: "no_owner"},
		{name: "consent before too late", facts: func(f *rules.Facts) { f.Consent = []byte(`{"service":false}`) }, event: late(firing("x", "warning")), want: "consent"},
		{name: "critical needs no consent", facts: func(f *rules.Facts) { f.Consent = []byte(`{"service":false}`) }, event: firing("x", "critical")},
		{name: "critical can be too late", event: late(firing("x", "critical")), want: "too_late"},
		{name: "marketing is another matter", facts: func(f *rules.Facts) { f.Consent = []byte(`{"marketing":false}`) }, event: firing("x", "warning")},
		{name: "the party's own refusal wins", facts: func(f *rules.Facts) { f.Consent = []byte(`{"service":true}`) }, party: `{"type":"party","id":"O1","consent":{"service":false}}`, event: firing("x", "warning"), want: "consent"},
		{name: "the party's own consent wins", facts: func(f *rules.Facts) { f.Consent = []byte(`{"service":false}`) }, party: `{"type":"party","id":"O1","consent":{"service":true}}`, event: firing("x", "warning")},
		{name: "a party that says nothing leaves the profile's", facts: func(f *rules.Facts) { f.Consent = []byte(`{"service":false}`) }, party: `{"type":"party","id":"O1","name":"A"}`, event: firing("x", "warning"), want: "consent"},
		{name: "the default may be a refusal", policy: "policy: {group: {wait: 0s}, consent_default: denied}", event: firing("x", "warning"), want: "consent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, 0)
			if c.policy != "" {
				b.policy = c.policy
				b.activate(rules.Activation{})
			}
			if c.party != "" {
				b.partyEvent(c.party)
			}
			if c.facts != nil {
				c.facts(&b.facts)
			}
			b.events(nil, c.event)
			if c.want == "" {
				b.want("created e_x to owner", "released e_x")
			} else {
				b.want("created e_x to owner", "held e_x "+c.want)
				b.wantOutbox()
			}
		})
	}
}

// S42: what becomes of a closing event depends on its openings.
func TestClosing(t *testing.T) {
	open := reminder("r1", "soon", item("oil", "soon"))
	done := reminder("d1", "done", item("oil", "soon"))
	t.Run("opening released: it goes out, silently", func(t *testing.T) {
		b := newBench(t, 0)
		b.events(items(item("oil", "soon")), open)
		b.facts.Consent = []byte(`{"service":false}`) // refused since: the end is still told
		b.events(nil, done)
		b.want("created r1 to owner", "released r1", "created d1 to owner", "released d1")
		if b.data("d1")["silent"] != true {
			t.Error("done is not silent")
		}
	})
	t.Run("opening waits: both are held", func(t *testing.T) {
		b := newBench(t, 10*minute)
		b.events(items(item("oil", "soon")), open)
		b.events(nil, done)
		b.advance(20 * minute)
		b.want("created r1 to owner", "held r1 superseded", "created d1 to owner", "held d1 superseded")
		b.wantOutbox()
	})
	t.Run("opening held: the same reason", func(t *testing.T) {
		b := newBench(t, 0)
		late := firing("x", "warning")
		late.Late = true
		b.events(nil, late)
		b.events(nil, resolved("x"))
		b.want("created e_x to owner", "held e_x too_late", "created x_x to owner", "held x_x too_late")
	})
	t.Run("reason of the newest opening", func(t *testing.T) {
		b := newBench(t, 0)
		b.facts.Owner = ""
		b.events(items(item("oil", "soon")), open)
		b.facts.Owner, b.facts.Consent = "O1", []byte(`{"service":false}`)
		b.events(items(item("oil", "due")), reminder("r2", "due", item("oil", "due")))
		b.events(nil, done)
		b.want("created r1 to owner", "held r1 no_owner", "created r2 to owner", "held r2 consent", "created d1 to owner", "held d1 consent")
	})
	t.Run("no opening was for the owner", func(t *testing.T) {
		b := newBench(t, 0)
		nobody := open
		nobody.ToOwner = false
		b.events(items(item("oil", "soon")), nobody)
		b.events(nil, done)
		b.want("created r1 to none", "created d1 to none")
	})
	t.Run("nothing is known of it", func(t *testing.T) {
		b := newBench(t, 0)
		b.events(nil, done)
		b.want("created d1 to none")
	})
	t.Run("a group with another open item is not dropped", func(t *testing.T) {
		b := newBench(t, 10*minute)
		both := reminder("r1", "soon", item("oil", "soon"), item("belt", "soon"))
		b.events(items(item("oil", "soon"), item("belt", "soon")), both)
		b.events(items(item("belt", "soon")), done)
		b.want("created r1 to owner", "created d1 to owner", "released d1")
		b.advance(10 * minute)
		b.want("released r1 +10m")
		if its := b.data("r1")["items"].([]any); len(its) != 1 || its[0].(map[string]any)["id"] != "belt" {
			t.Errorf("released with items %v, want belt alone", its)
		}
	})
	t.Run("closings of one step are weighed together", func(t *testing.T) {
		b := newBench(t, 10*minute)
		b.events(items(item("oil", "soon"), item("belt", "soon")), reminder("r1", "soon", item("oil", "soon"), item("belt", "soon")))
		b.events(nil, reminder("c1", "cancelled", item("belt", "soon")), done)
		b.want("created r1 to owner", "held r1 superseded",
			"created c1 to owner", "held c1 superseded", "created d1 to owner", "held d1 superseded")
	})
	t.Run("a closing goes where the opening went", func(t *testing.T) {
		b := newBench(t, 0)
		b.events(nil, firing("x", "warning"))
		b.activate(rules.Activation{Endpoints: []rules.Endpoint{{Name: "app", Owner: true}, {Name: "new", Owner: true}}})
		b.events(nil, resolved("x"))
		b.wantOutbox("app e_x alert.firing", "app x_x alert.resolved")
	})
	t.Run("a cancelled that leaves the item soon keeps its interval", func(t *testing.T) {
		b := newBench(t, 0)
		b.events(items(item("oil", "overdue")), reminder("r1", "overdue", item("oil", "overdue")))
		b.events(items(item("oil", "soon")), reminder("c1", "cancelled", item("oil", "overdue")))
		b.events(nil, done)
		b.want("created r1 to owner", "released r1", "created c1 to owner", "released c1", "created d1 to owner", "released d1")
	})
}

// S46: a new owner.
func TestOwnerChange(t *testing.T) {
	b := newBench(t, 10*minute)
	b.partyEvent(`{"type":"party","id":"O1","language":"en"}`)
	b.events(nil, firing("hot", "critical")) // leaves, but no result comes
	b.events(items(item("oil", "soon")), reminder("r1", "soon", item("oil", "soon")))
	b.wantOutbox("app e_hot alert.firing")
	b.notice("released")
	b.want("created e_hot to owner", "released e_hot", "created r1 to owner", "held r1 owner_changed")
	b.wantOutbox()

	b.party, b.facts.Owner = "O2", "O2"
	b.notice("facts")
	b.now += minute
	b.events(nil, reminder("d1", "done", item("oil", "soon"))) // he heard of no opening
	b.events(items(again(item("oil", "soon"))), reminder("r2", "soon", again(item("oil", "soon"))))
	b.advance(20 * minute)
	b.want("created d1 to none +1m", "created r2 to owner +1m", "released r2 +11m")
	b.wantOutbox("app r2 reminder.soon")

	// The former owner's document goes when nothing of it matters any more.
	b.advance(15 * day)
	if doc, _ := b.m.View([]byte("O1"), []byte("V1")); doc != nil {
		t.Errorf("the former owner's document is still there: %s", doc)
	}
}

// S46, S41: he who sells a car and gets it back is not told twice of one visit.
func TestOwnerReturns(t *testing.T) {
	b := newBench(t, 0)
	b.events(items(item("oil", "due")), reminder("r1", "due", item("oil", "due")))
	b.result(delivered("app", "r1"))
	b.notice("released")
	b.now += day
	b.events(items(item("oil", "due"), item("tyre", "soon")), reminder("r2", "soon", item("tyre", "soon")))
	b.want("created r1 to owner", "released r1", "created r2 to owner +1440m", "held r2 same_visit +1440m")
}

// S44: leads go to dealers, odometer events to nobody, and feeds get everything.
func TestAudiences(t *testing.T) {
	b := newBench(t, 10*minute)
	b.activate(rules.Activation{Endpoints: []rules.Endpoint{{Name: "app", Owner: true}, {Name: "both", Owner: true, Dealer: true}, {Name: "crm", Dealer: true}, {Name: "log"}}})
	jump := rules.Event{ID: "e_jump", Type: "milepost.odometer.jump", Alert: "e_jump", Time: start, Detail: map[string]any{"from_km": 1.0, "to_km": 9000.0}}
	b.events(items(item("oil", "soon")), jump, reminder("r1", "soon", item("oil", "soon")), leadEvent("created", "D1", "oil"))
	b.want("created e_jump to none", "created r1 to owner", "created l_created to dealer", "released l_created")
	b.wantOutbox("both l_created lead.created", "crm l_created lead.created", "log e_jump odometer.jump", "log r1 reminder.soon", "log l_created lead.created")
	b.advance(10 * minute)
	b.wantOutbox("app r1 reminder.soon", "both r1 reminder.soon", "both l_created lead.created", "crm l_created lead.created",
		"log e_jump odometer.jump", "log r1 reminder.soon", "log l_created lead.created")
}

// S45: a lead without dealer is held; S46: it moves with the dealer.
func TestLeadView(t *testing.T) {
	b := newBench(t, 0)
	b.facts.Dealer = ""
	b.events(items(item("oil", "soon")), leadEvent("created", "", "oil"))
	b.want("created l_created to dealer", "held l_created no_dealer")
	if got := b.keys(state.RowView); len(got) != 2 || got[0] != "lead/-/l_1" {
		t.Errorf("views %q, want lead/-/l_1 and a message", got)
	}
	closed := leadEvent("closed", "")
	closed.Reason = "cancelled"
	next := leadEvent("created", "D2", "oil")
	next.ID, next.Lead, next.Alert = "l_next", "l_2", "l_2"
	b.facts.Dealer = "D2"
	b.events(b.facts.NotOK, closed, next)
	if got := b.keys(state.RowView); got[0] != "lead/D2/l_2" {
		t.Errorf("views %q, want lead/D2/l_2 in the place of lead/-/l_1", got)
	}
	closed = leadEvent("closed", "D2")
	closed.Lead, closed.Alert, closed.Reason = "l_2", "l_2", "serviced"
	b.events(nil, closed)
	b.advance(8 * day)
	if got := b.keys(state.RowView); got[0] == "lead/D2/l_2" {
		t.Error("a closed lead is still listed after 8 days")
	}
}

// S46: a lead goes on under a new owner, without an event.
func TestLeadMovesWithOwner(t *testing.T) {
	b := newBench(t, 0)
	created := leadEvent("created", "D1", "oil")
	b.facts.Lead = &rules.LeadRef{ID: "l_1", Causes: created.Causes}
	b.facts.ContactAt, b.facts.Name = start, "Old"
	b.events(nil, created)
	lead := "lead/D1/l_1"
	b.notice("released")
	if _, listed := b.rows[state.RowView][lead]; listed {
		t.Error("the lead is still listed under the former owner")
	}
	b.seen = nil
	b.party, b.facts.Owner, b.facts.Name = "O2", "O2", "New"
	b.notice("facts")
	b.want()
	if v := string(b.rows[state.RowView][lead]); !strings.Contains(v, `"name":"New"`) || !strings.Contains(v, `"item":"oil"`) {
		t.Errorf("view %s, want the lead with its cause and the new owner", v)
	}
}

// S46: of several cars the profile that changed last says how to reach the owner.
func TestContactOfLastProfile(t *testing.T) {
	b := newBench(t, 0)
	b.facts.ContactAt, b.facts.Consent = start+2, []byte(`{"service":false}`)
	b.notice("facts")
	b.vin, b.facts.ContactAt, b.facts.Consent = "V2", start+1, []byte(`{"service":true}`)
	b.events(nil, firing("x", "warning"))
	b.want("created e_x to owner", "held e_x consent")
	b.facts.ContactAt = start + 3
	b.events(nil, firing("y", "warning"))
	b.want("created e_y to owner", "released e_y")
}

// S46: two profiles change at one moment: the later record wins and is not undone by news of the other car
// that are not about its profile.
func TestContactOfTwoProfilesAtOneMoment(t *testing.T) {
	b := newBench(t, 0)
	b.facts.ContactAt = start
	b.notice("facts")
	b.vin, b.facts.Consent = "V2", []byte(`{"service":false}`)
	b.notice("facts")
	b.vin, b.facts.Consent, b.later = "V1", nil, true
	b.events(nil, firing("x", "warning"))
	b.want("created e_x to owner", "held e_x consent")
}

// A party's record that no filter matched is quarantined as that, not for its form.
func TestPartyOfUnmatchedTopic(t *testing.T) {
	b := newBench(t, 0)
	b.apply(log.Record{Kind: log.Event, Arrival: b.now, Key: []byte("O1"), Topic: []byte("people/O1"), Payload: []byte("x")})
	for _, v := range b.rows[state.RowDead] {
		d, err := state.DecodeDeadLetter(v)
		if err != nil || d.Reason != ingest.ReasonTopic || !strings.Contains(d.Detail, "people/O1") {
			t.Errorf("dead letter %+v, %v; want reason %s and the topic", d, err, ingest.ReasonTopic)
		}
	}
	if n := len(b.rows[state.RowDead]); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

// Feedback moves a lead forward, never back, and shows the owner's last reaction.
func TestFeedback(t *testing.T) {
	b := newBench(t, 0)
	created := leadEvent("created", "D1", "oil")
	b.facts.Lead = &rules.LeadRef{ID: "l_1", Causes: created.Causes}
	b.events(nil, created)
	for _, f := range []string{`{"by":"advisor:Han","action":"claimed"}`, `{"by":"owner","action":"booked"}`, `{"by":"advisor:Han","action":"contacted"}`} {
		b.sent++
		n := rules.Notice{VIN: b.vin, Kind: "feedback", Facts: b.facts, Feedback: []byte(f)}
		b.apply(log.Record{Kind: log.Handover, Payload: state.AppendHandover(nil, &state.Handover{
			Offset: b.sent, Clock: b.now,
			Notices: []state.Notice{{Key: []byte(b.party), Sub: []byte(b.vin), At: b.now, Payload: mustJSON(t, n)}},
		})})
	}
	var v notify.LeadView
	if err := json.Unmarshal(b.rows[state.RowView]["lead/D1/l_1"], &v); err != nil {
		t.Fatal(err)
	}
	if v.State != "booked" || v.ClaimedBy != "Han" || v.Owner.LastReaction != "booked" || v.SuggestedAct != "none" {
		t.Errorf("lead %+v, want booked, claimed by Han, nothing to do", v)
	}
}

func leadEvent(transition, dealer string, causes ...string) rules.Event {
	e := rules.Event{ID: "l_" + transition, Type: "milepost.lead." + transition, Alert: "l_1", Lead: "l_1", Time: start, Dealer: dealer, ToDealer: true}
	for _, c := range causes {
		e.Causes = append(e.Causes, rules.Cause{Item: c, Level: "soon", Title: map[string]string{"en": "The " + c}, Since: start})
	}
	return e
}

// S41, S44: a feed of a part gets that part of everything, also what nobody is told.
func TestFeedsOfAPart(t *testing.T) {
	b := newBench(t, 0)
	b.activate(rules.Activation{Endpoints: []rules.Endpoint{{Name: "alerts", Feed: rules.FeedAlerts}, {Name: "leads", Feed: rules.FeedLeads}}})
	b.facts.Owner, b.facts.Dealer = "", ""
	jump := rules.Event{ID: "e_jump", Type: "milepost.odometer.jump", Alert: "e_jump", Time: start}
	b.events(items(item("oil", "soon")), jump, reminder("r1", "soon", item("oil", "soon")), leadEvent("created", "", "oil"))
	b.wantOutbox("alerts e_jump odometer.jump", "alerts r1 reminder.soon", "leads l_created lead.created")
}

// E11: feeds that are away leave owners and dealers room in a vehicle's document.
func TestFeedsLeaveRoom(t *testing.T) {
	b := newBench(t, 0)
	b.activate(rules.Activation{Endpoints: []rules.Endpoint{{Name: "app", Owner: true}, {Name: "kafka-alerts", Feed: rules.FeedAlerts}}})
	for i := range 40 {
		b.events(nil, rules.Event{ID: fmt.Sprint("jump", i), Type: "milepost.odometer.jump", Alert: fmt.Sprint("jump", i), Time: start})
	}
	b.events(items(item("oil", "soon")), reminder("r1", "soon", item("oil", "soon")))
	told := false
	for _, e := range b.outbox() {
		told = told || e.Endpoint == "app" && e.ID == "r1"
	}
	if n := len(b.outbox()); !told || n != 32+1 {
		t.Errorf("%d entries on their way, the owner's among them: %v", n, told)
	}
}
