package notify_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

func delivered(endpoint, id string) notify.Result {
	return notify.Result{Endpoint: endpoint, ID: id, VIN: "V1", Result: notify.Delivered, At: start}
}

// E14: a delivered counts from anybody, a verdict only from the last start on.
func TestResultGenerations(t *testing.T) {
	b := newBench(t, 0)
	b.events(nil, firing("x", "warning"), firing("y", "warning"))
	b.apply(log.Record{Kind: log.Start, Arrival: b.now, Payload: (&state.Start{Generation: 7}).Encode()})
	entry := b.outbox()[0].Append(nil)
	dead := notify.Result{Endpoint: "app", ID: "e_x", VIN: "V1", Result: notify.Dead, Generation: 6, At: start, Entry: entry}
	b.result(dead)
	b.wantOutbox("app e_x alert.firing", "app e_y alert.firing")
	old := delivered("app", "e_y")
	old.Generation = 6
	b.result(old)
	b.wantOutbox("app e_x alert.firing")
	dead.Generation = 7
	b.result(dead)
	b.wantOutbox()
	if n := len(b.rows[state.RowDead]); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

// A dead letter keeps its bytes, and goes out again under its own id.
func TestRequeue(t *testing.T) {
	b := newBench(t, 0)
	b.events(nil, firing("x", "warning"))
	before := b.outbox()[0]
	b.result(notify.Result{Endpoint: "app", ID: "e_x", VIN: "V1", Result: notify.Expired, At: start, Detail: "503", Entry: before.Append(nil)})
	b.wantOutbox()
	keys := b.keys(state.RowDead)
	if len(keys) != 1 || !strings.HasPrefix(keys[0], notify.DeadPrefix) {
		t.Fatalf("dead letters %q, want one under %s", keys, notify.DeadPrefix)
	}
	var letter notify.DeadLetter
	if err := json.Unmarshal(b.rows[state.RowDead][keys[0]], &letter); err != nil || letter.Reason != "expired" || letter.Detail != "503" {
		t.Fatalf("dead letter %+v (%v), want reason expired and detail 503", letter, err)
	}
	b.now += day
	party, payload, err := notify.RequeueResult(b.rows[state.RowDead][keys[0]], b.now)
	if err != nil || party != "O1" {
		t.Fatalf("requeue: party %q, %v", party, err)
	}
	for range 2 { // twice is once
		b.apply(log.Record{Kind: log.Result, Arrival: b.now, Key: []byte(party), Payload: payload})
		b.wantOutbox("app e_x alert.firing")
	}
	after := b.outbox()[0]
	if string(after.Body) != string(before.Body) || after.Created != b.now || len(b.rows[state.RowDead]) != 0 {
		t.Errorf("requeued as %+v, want the same body, created now, and no dead letter left", after)
	}
	b.result(delivered("app", "e_x"))
	b.wantOutbox()
}

// S43: the body is that of the release; nothing later changes it.
func TestBodyIsFixed(t *testing.T) {
	b := newBench(t, 10*minute)
	b.events(items(item("oil", "soon")), reminder("r1", "soon", item("oil", "soon")))
	newer := item("oil", "soon")
	*newer.RestKM = 12
	b.facts.Language = "zh"
	b.events(items(newer))
	b.advance(10 * minute)
	body := string(b.outbox()[0].Body)
	if !strings.Contains(body, "还剩 12 公里") {
		t.Errorf("released with %s, want the newest facts and language", body)
	}
	b.facts.Language = "en"
	b.events(items(item("oil", "due")))
	b.advance(day)
	if got := string(b.outbox()[0].Body); got != body {
		t.Errorf("the body became %s", got)
	}
}

// E2, E6: the same records make the same documents, rows and ids; and what is stored is read back whole.
func TestReplay(t *testing.T) {
	run := func() (string, []string, int) {
		b := newBench(t, 10*minute)
		b.partyEvent(`{"type":"party","id":"O1","name":"A","time":1772352000000,"channels":{"sms":"+1"}}`)
		b.events(items(item("oil", "soon")), reminder("r1", "soon", item("oil", "soon")), leadEvent("created", "D1", "oil"))
		b.advance(20 * minute)
		b.result(delivered("app", "r1"))
		b.events(nil, reminder("d1", "done", item("oil", "soon")), leadEvent("closed", "D1"))
		var dump strings.Builder
		if err := b.m.Dump(&dump); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range []state.Space{state.RowOutbox, state.RowTimeline, state.RowView} {
			for _, k := range b.keys(s) {
				dump.WriteString(k)
				dump.Write(b.rows[s][k])
				n++
			}
		}
		return dump.String(), b.seen, n
	}
	first, seen, n := run()
	second, _, _ := run()
	if first != second {
		t.Errorf("two runs differ:\n%s\n%s", first, second)
	}
	if n < 8 || len(seen) < 6 {
		t.Errorf("%d rows and %d observations: the run is too thin to show anything", n, len(seen))
	}
}

// E11: a vehicle's queue is bounded; what does not fit waits in the dead letters.
func TestOverflow(t *testing.T) {
	b := newBench(t, 0)
	for i := range 70 {
		e := firing("x", "warning")
		e.ID, e.Alert = "e"+string(rune('A'+i)), "a"+string(rune('A'+i))
		b.events(nil, e)
	}
	if out, dead := len(b.outbox()), len(b.rows[state.RowDead]); out != 64 || dead != 6 {
		t.Errorf("%d entries and %d dead letters, want 64 and 6", out, dead)
	}
	doc, _ := b.m.View([]byte("O1"), []byte("V1"))
	if len(doc) > 16<<10 {
		t.Errorf("the document has %d bytes, want at most 16 KiB (E11)", len(doc))
	}
}

// E5: a party event is one of applied, duplicate and quarantined.
func TestPartyEvents(t *testing.T) {
	b := newBench(t, 0)
	b.partyEvent(`{"type":"party","id":"O1","name":"A","language":"zh","time":1772352000000}`)
	b.partyEvent(`{"type":"party","id":"O1","name":"A","language":"zh","time":1772352000000}`)
	b.partyEvent(`{"type":"party","id":"O2","name":"B"}`)
	b.partyEvent(`{"type":"telemetry","vin":"O1","signals":{}}`)
	b.partyEvent(`{`)
	b.apply(log.Record{Kind: log.Event, Arrival: b.now, Key: []byte("O1"), Payload: []byte(`{"type":"party","id":"O1"}`)}) // no type is allowed here
	b.partyEvent(`{"type":"party","id":"O1"}`)
	if got, want := b.m.Outcomes(), [4]uint64{2, 1, 0, 4}; got != want {
		t.Errorf("outcomes %v, want %v (applied, duplicate, late, quarantined)", got, want)
	}
}
