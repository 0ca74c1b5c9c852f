//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const tenThousand = `
plans:
  - id: basic
    remind: {soon: {km: 1000}}
    items:
      - {id: engine-oil, title: {en: Engine oil}, every: {km: 10000}}
`

// TestStory is one car's life with its owner and its dealer, through restarts and a kill.
func TestStory(t *testing.T) {
	owner, dealer := newReceiver(t), newReceiver(t)
	e := newEngine(t, fmt.Sprintf(`policy: {group: {wait: 0s}}
notify:
  webhooks:
    - {name: dealer-crm, url: %q, secret_file: ./s, to: [dealer], allow_private: true}
    - {name: app-backend, url: %q, secret_file: ./s, to: [owner], allow_private: true}`, dealer.URL, owner.URL), tenThousand)
	e.write("s", owner.secret+"\n")
	e.start()
	e.post(`{"type":"vehicle","vin":"V1","profile":{"model":"E5","owner":"O1","dealer":"D1","plan":"basic"}}`)
	km := func(v string) { e.post(`{"type":"telemetry","vin":"V1","signals":{"odometer":` + v + `}}`) }
	types := func(r *receiver) string {
		var s []string
		for _, x := range r.all(t) {
			s = append(s, strings.TrimPrefix(x.Type, "milepost."))
		}
		return strings.Join(s, " ")
	}
	wait := func(ownerWants, dealerWants string) {
		t.Helper()
		e.until("owner got "+ownerWants+", dealer got "+dealerWants, 10*time.Second, func() bool {
			return types(owner) == ownerWants && types(dealer) == dealerWants
		})
	}
	quiet := func() {
		t.Helper()
		o, d := types(owner), types(dealer)
		e.settled()
		// A send that should not be is on its way within moments of the step; half a second is plenty.
		deadline := time.After(500 * time.Millisecond)
		<-deadline
		if types(owner) != o || types(dealer) != d {
			t.Fatalf("quiet expected; owner %q then %q, dealer %q then %q", o, types(owner), d, types(dealer))
		}
	}

	km("8900")
	quiet()
	km("9050")
	wait("reminder.soon", "lead.created")
	soon := owner.all(t)[0]
	if len(soon.Data.Items) != 1 || soon.Data.Items[0].ID != "engine-oil" || soon.Data.Odometer.KM != 9050 || soon.Data.Visit.Remaining.KM != 950 {
		t.Fatalf("the reminder names item, odometer and distance left: %s", soon.body)
	}
	km("9050")
	quiet()
	if d := e.stop(); d > 5*time.Second {
		t.Errorf("a clean stop took %v", d)
	}
	e.start()
	quiet()
	e.kill()
	e.start()
	km("3")
	quiet()
	km("10020")
	wait("reminder.soon reminder.due", "lead.created lead.updated")
	e.post(`{"type":"service","vin":"V1","time":"` + time.Now().UTC().Format(time.RFC3339) + `","odometer":10050,"items":["engine-oil"],"dealer":"D1","order":"R1"}`)
	wait("reminder.soon reminder.due reminder.done", "lead.created lead.updated lead.closed")
	if last := dealer.all(t)[2]; last.Data.Reason != "serviced" {
		t.Fatalf("closed for %q: %s", last.Data.Reason, last.body)
	}
	for _, v := range []string{"10060", "12000", "14000", "16000", "18000", "19040"} {
		km(v)
	}
	quiet()
	km("19051")
	wait("reminder.soon reminder.due reminder.done reminder.soon", "lead.created lead.updated lead.closed lead.created")
	if owner.all(t)[0].ID == owner.all(t)[3].ID {
		t.Fatal("two reminders share an id")
	}
}

// TestUsedFleet loads cars without history: not one overdue message (S31).
func TestUsedFleet(t *testing.T) {
	n := 2000
	owner := newReceiver(t)
	e := newEngine(t, fmt.Sprintf(`policy: {group: {wait: 0s}}
notify: {webhooks: [{name: app, url: %q, secret_file: ./s, to: [owner], allow_private: true}]}`, owner.URL), tenThousand)
	e.write("s", owner.secret+"\n")
	e.start()
	for from := 0; from < n; from += 500 {
		var b strings.Builder
		b.WriteByte('[')
		for i := from; i < from+500; i++ {
			if i > from {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"type":"vehicle","vin":"U%d","profile":{"owner":"O%d","dealer":"D1","plan":"basic","in_service":"2019-03-01"}},{"type":"telemetry","vin":"U%d","signals":{"odometer":%d}}`, i, i, i, 10+i*199_990/n)
		}
		b.WriteByte(']')
		e.post(b.String())
	}
	e.settled()
	for _, x := range owner.all(t) {
		if strings.HasSuffix(x.Type, ".overdue") {
			t.Fatalf("%s for a car without history: %s", x.Type, x.body)
		}
	}
}
