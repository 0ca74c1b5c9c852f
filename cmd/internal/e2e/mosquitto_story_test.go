//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// source asks the engine how mqtt.connect is.
func (e *engine) source() sourceStatus {
	e.t.Helper()
	var st struct{ Sources []sourceStatus }
	if err := json.Unmarshal([]byte(e.run("status", "-o", "json")), &st); err != nil {
		e.t.Fatal(err)
	}
	for _, s := range st.Sources {
		if s.Name == "mqtt.connect" {
			return s
		}
	}
	e.t.Fatal("no source mqtt.connect")
	return sourceStatus{}
}

// subscribed waits until n connections are subscribed.
func (e *engine) subscribed(n int) {
	e.t.Helper()
	e.until(fmt.Sprintf("%d connections are subscribed", n), 60*time.Second, func() bool { return e.source().Connections == n })
}

// TestMosquittoStory: cars at the user's own broker, the reminder at the owner's, with the least configuration.
func TestMosquittoStory(t *testing.T) {
	owner, dealer := newReceiver(t), newReceiver(t)
	m := newMosquitto(t, "")
	e := newEngineAt(t, m.plain(), fmt.Sprintf(`policy: {group: {wait: 0s}}
notify:
  webhooks:
    - {name: dealer-crm, url: %q, secret_file: ./s, to: [dealer], allow_private: true}
    - {name: app-backend, url: %q, secret_file: ./s, to: [owner], allow_private: true}`, dealer.URL, owner.URL), tenThousand)
	e.write("s", owner.secret+"\n")
	e.start()
	e.subscribed(1)
	m.pub("-q", "1", "-t", "vehicles/V1/profile", "-m", `{"type":"vehicle","vin":"V1","profile":{"model":"E5","owner":"O1","dealer":"D1","plan":"basic"}}`)
	e.until("the profile is applied", 30*time.Second, func() bool { return e.counters().Applied == 1 })
	m.pub("-q", "1", "-t", "vehicles/V1/telemetry", "-m", `{"type":"telemetry","vin":"V1","signals":{"odometer":8900}}`)
	m.pub("-q", "1", "-t", "vehicles/V1/telemetry", "-m", `{"type":"telemetry","vin":"V1","signals":{"odometer":9050}}`)
	e.until("owner and dealer are told", 30*time.Second, func() bool { return len(owner.all(t)) == 1 && len(dealer.all(t)) == 1 })
	if soon := owner.all(t)[0]; soon.Type != "milepost.reminder.soon" || soon.Data.Odometer.KM != 9050 || soon.Data.Items[0].ID != "engine-oil" {
		t.Fatalf("%s", soon.body)
	}
	m.pub("-q", "1", "-t", "vehicles/V1/service", "-m", `{"type":"service","vin":"V1","time":"`+time.Now().UTC().Format(time.RFC3339)+`","odometer":9050,"items":["engine-oil"],"dealer":"D1","order":"R1"}`)
	e.until("the lead is closed", 30*time.Second, func() bool {
		all := dealer.all(t)
		return len(all) == 2 && all[1].Type == "milepost.lead.closed"
	})
	if !strings.Contains(e.run("status"), "mqtt.connect") {
		t.Fatal(e.run("status"))
	}
}

// TestMosquittoRetainedFlood: a broker full of retained messages sends them all at once to a new subscriber.
func TestMosquittoRetainedFlood(t *testing.T) {
	const cars = 5000
	m := newMosquitto(t, "")
	p := m.publisher()
	for i := range cars {
		tok := p.Publish(fmt.Sprintf("vehicles/R%04d/telemetry", i), 1, true, fmt.Sprintf(`{"type":"telemetry","vin":"R%04d","time":%d,"signals":{"odometer":%d}}`, i, time.Now().UnixMilli(), i+1))
		if i%500 == 499 && (!tok.WaitTimeout(30*time.Second) || tok.Error() != nil) {
			t.Fatal(tok.Error())
		}
	}
	e := newEngineAt(t, m.plain(), "", tenThousand)
	e.start()
	e.until("all are received", 60*time.Second, func() bool { return e.counters().Applied == cars })
	// They come again with each subscription, and change nothing.
	e.stop()
	e.start()
	e.until("all came again", 60*time.Second, func() bool { c := e.counters(); return c.Duplicate+c.Late == cars })
	if c := e.settled(); c.Applied != cars || c.Quarantined != 0 {
		t.Fatalf("%+v", c)
	}
}

// TestMosquittoPublishers: QoS 0, 1 and 2 come in, what no type allows is quarantined, and of two
// connections each keeps the order of what it carries.
func TestMosquittoPublishers(t *testing.T) {
	m := newMosquitto(t, "")
	e := newEngineAt(t, fmt.Sprintf("{url: %q, connections: 2}", "mqtt://"+m.addr), "", tenThousand)
	e.start()
	e.subscribed(2)
	for qos := range 3 {
		m.pub("-q", fmt.Sprint(qos), "-t", fmt.Sprintf("vehicles/Q%d/telemetry", qos), "-m", fmt.Sprintf(`{"type":"telemetry","vin":"Q%d","signals":{"odometer":10}}`, qos))
	}
	m.pub("-q", "1", "-t", "vehicles/Q1/telemetry", "-m", `{"type":"service","vin":"Q1"}`)
	e.until("all are received", 30*time.Second, func() bool { c := e.counters(); return c.Applied == 3 && c.Quarantined == 1 })

	const cars, each = 20, 100
	p := m.publisher()
	for n := range each {
		var sent []mqtt.Token // Mosquitto drops QoS 2 over max_inflight_messages
		for i := range cars {
			sent = append(sent, p.Publish(fmt.Sprintf("vehicles/P%02d/telemetry", i), 2, false, fmt.Sprintf(`{"type":"telemetry","vin":"P%02d","time":%d,"signals":{"odometer":%d}}`, i, time.Now().UnixMilli()+int64(n), 100+n)),
				p.Publish(fmt.Sprintf("vehicles/P%02d/profile", i), 1, false, fmt.Sprintf(`{"type":"vehicle","vin":"P%02d","profile":{"model":"M%d"}}`, i, n)))
		}
		for _, tok := range sent {
			if !tok.WaitTimeout(30*time.Second) || tok.Error() != nil {
				t.Fatal("not published", tok.Error())
			}
		}
	}
	e.until("all are received", 60*time.Second, func() bool { return e.counters().Received == 4+2*cars*each })
	if c := e.settled(); c.Late != 0 || c.Duplicate != 0 || c.Quarantined != 1 {
		t.Fatalf("%+v: the order of a car's messages was not kept", c)
	}
	for i := range cars {
		if v := e.vehicle(fmt.Sprintf("P%02d", i)); v.Odometer.KM == nil || *v.Odometer.KM != 99+each {
			t.Fatalf("%+v", v)
		}
	}
}
