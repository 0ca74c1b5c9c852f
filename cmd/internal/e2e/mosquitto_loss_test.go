//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestMosquittoKillAndRestart ends the engine with kill -9 and restarts Mosquitto under load. What Mosquitto
// acknowledged to a car must be there, what was due must have been sent, and nothing under two ids.
func TestMosquittoKillAndRestart(t *testing.T) {
	const cars, rate, rounds = 100, 2000, 4
	owner, dealer := newReceiver(t), newReceiver(t)
	m := newMosquitto(t, "")
	e := newEngineAt(t, m.plain(), fmt.Sprintf(`policy: {group: {wait: 0s}}
notify:
  webhooks:
    - {name: dealer-crm, url: %q, secret_file: ./s, to: [dealer], allow_private: true}
    - {name: app-backend, url: %q, secret_file: ./s, to: [owner], allow_private: true}`, dealer.URL, owner.URL), `
plans:
  - {id: basic, remind: {soon: {km: 20}, overdue: {km: 20}}, items: [{id: oil, every: {km: 60}}]}
rules:
  - {id: hot, when: coolant_temp > 110, severity: warning}
`)
	e.write("s", owner.secret+"\n")
	e.start()
	e.subscribed(1)
	var profiles strings.Builder
	for i := range cars {
		fmt.Fprintf(&profiles, "%s{\"type\":\"vehicle\",\"vin\":\"K%03d\",\"profile\":{\"owner\":\"O%d\",\"dealer\":\"D1\",\"plan\":\"basic\"}}", map[bool]string{true: "[", false: ","}[i == 0], i, i)
	}
	e.post(profiles.String() + "]")

	load := newLoad(m.addr, cars)
	load.run(rate)
	pause := func(i int) { <-time.After(time.Duration(500+(i*7919)%700) * time.Millisecond) }
	for i := range rounds {
		pause(i)
		e.kill()
		if i%2 == 1 {
			m.restart() // while nobody listens
		}
		e.start()
		e.subscribed(1)
		pause(i + 1)
		m.restart()
		e.subscribed(1)
	}
	pause(0)
	load.stop()
	lost := 0
	for i := range cars {
		vin, acked := fmt.Sprintf("K%03d", i), float64(load.acked(i))
		got := -1.0
		e.until(fmt.Sprintf("%s has what was acknowledged, %v km", vin, acked), 60*time.Second, func() bool {
			if v := e.vehicle(vin); v.Odometer.KM != nil {
				got = *v.Odometer.KM
			}
			return got >= acked
		})
		if got < acked {
			lost++
		}
	}
	c := e.settled()
	e.until("the outbox is empty", 60*time.Second, func() bool {
		return strings.TrimSpace(e.run("outbox", "list", "-o", "json")) == "[]"
	})
	second := underTwoIDs(owner.all(t)) + underTwoIDs(dealer.all(t))
	fmt.Printf("real Mosquitto: kills of the engine %d, restarts of the broker %d; received %d = applied %d + duplicate %d + late %d + quarantined %d; lost %d; under a second id %d; events %d, sent again %d\n",
		rounds, rounds+rounds/2, c.Received, c.Applied, c.Duplicate, c.Late, c.Quarantined, lost, second, len(owner.all(t))+len(dealer.all(t)), owner.again+dealer.again)
	if lost > 0 || second > 0 || c.Quarantined > 0 {
		t.Fatal("lost, doubled or quarantined")
	}
	if len(owner.all(t)) < cars {
		t.Fatalf("only %d events reached the owners", len(owner.all(t)))
	}
}

// TestMosquittoStop: what was taken before a clean stop is acknowledged, and comes no second time; what is
// published while the engine is away comes when it is back.
func TestMosquittoStop(t *testing.T) {
	m := newMosquitto(t, "")
	e := newEngineAt(t, m.plain(), "", tenThousand)
	e.start()
	e.subscribed(1)
	m.pub("-q", "1", "-t", "vehicles/V1/telemetry", "-m", `{"type":"telemetry","vin":"V1","signals":{"odometer":100}}`)
	e.until("it is received", 30*time.Second, func() bool { return e.counters().Received == 1 })
	if d := e.stop(); d > 5*time.Second {
		t.Errorf("a clean stop took %v", d)
	}
	m.pub("-q", "1", "-t", "vehicles/V1/telemetry", "-m", `{"type":"telemetry","vin":"V1","signals":{"odometer":101}}`)
	e.start()
	e.until("what came meanwhile is received", 30*time.Second, func() bool {
		v := e.vehicle("V1")
		return v.Odometer.KM != nil && *v.Odometer.KM == 101
	})
	if c := e.settled(); c.Received != 2 || c.Applied != 2 {
		t.Fatalf("%+v: what was acknowledged came again", c)
	}
}
