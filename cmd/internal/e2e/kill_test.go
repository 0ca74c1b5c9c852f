//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// TestKillLoop ends the engine with kill -9 under MQTT load. What was acknowledged must be there, what was
// due must have been sent, and nothing under two ids.
func TestKillLoop(t *testing.T) {
	kills := 12
	if s := os.Getenv("E2E_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	const cars, rate = 200, 5000
	owner, dealer := newReceiver(t), newReceiver(t)
	e := newEngine(t, fmt.Sprintf(`policy: {group: {wait: 0s}}
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
	var profiles strings.Builder
	for i := range cars {
		fmt.Fprintf(&profiles, "%s{\"type\":\"vehicle\",\"vin\":\"K%03d\",\"profile\":{\"owner\":\"O%d\",\"dealer\":\"D1\",\"plan\":\"basic\"}}", map[bool]string{true: "[", false: ","}[i == 0], i, i)
	}
	e.post(profiles.String() + "]")

	load := newLoad(e.mqtt, cars)
	load.run(rate)
	where := map[string]int{}
	for i := range kills {
		// Kills fall at moments that have nothing to do with the engine's own.
		<-time.After(time.Duration(300+(i*7919)%700) * time.Millisecond)
		e.kill()
		for _, w := range e.flight() {
			where[w]++
		}
		e.start()
	}
	<-time.After(time.Second)
	load.stop()
	c := e.settled()
	lost := 0
	for i := range cars {
		vin := fmt.Sprintf("K%03d", i)
		acked := load.acked(i)
		v := e.vehicle(vin)
		if v.Odometer.KM == nil || *v.Odometer.KM < float64(acked) {
			lost++
			t.Errorf("%s: acknowledged %d km, engine has %v", vin, acked, v.Odometer.KM)
		}
	}
	e.until("the outbox is empty", 60*time.Second, func() bool {
		return strings.TrimSpace(e.run("outbox", "list", "-o", "json")) == "[]"
	})
	second := underTwoIDs(owner.all(t)) + underTwoIDs(dealer.all(t))
	fmt.Printf("kills %d; fell %v; received %d = applied %d + duplicate %d + late %d + quarantined %d; lost %d; under a second id %d; events %d, sent again %d\n",
		kills, where, c.Received, c.Applied, c.Duplicate, c.Late, c.Quarantined, lost, second, len(owner.all(t))+len(dealer.all(t)), owner.again+dealer.again)
	if lost > 0 || second > 0 {
		t.Fatal("lost or doubled")
	}
	if len(owner.all(t)) < cars {
		t.Fatalf("only %d events reached the owners", len(owner.all(t)))
	}
	if kills >= 100 {
		for _, w := range []string{"before sync", "between sync and apply", "between apply and write-back", "between send and mark"} {
			if where[w] == 0 {
				t.Errorf("no kill fell %s: the loop proves less than it says", w)
			}
		}
	}
}

// flight reads where in the way of a record the process died.
func (e *engine) flight() []string {
	e.t.Helper()
	b, err := os.ReadFile(e.dir + "/data/flight.json")
	if err != nil {
		return nil
	}
	var f struct {
		Appended, Durable, Applied, Stored, Sent, Marked uint64
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil // torn by the kill
	}
	var out []string
	if f.Appended > f.Durable {
		out = append(out, "before sync")
	}
	if f.Durable > f.Applied {
		out = append(out, "between sync and apply")
	}
	if f.Applied > f.Stored {
		out = append(out, "between apply and write-back")
	}
	if f.Sent > f.Marked {
		out = append(out, "between send and mark")
	}
	return out
}

// underTwoIDs counts events that tell the same transition under different ids.
func underTwoIDs(events []received) int {
	ids := map[string]string{}
	n := 0
	for _, x := range events {
		key := x.Type + "|" + x.Time + "|" + x.Data.Alert + "|" + x.Data.Lead
		for _, it := range x.Data.Items {
			key += "|" + it.ID + it.State
		}
		for _, c := range x.Data.Causes {
			key += "|" + c.Item + c.Level + c.Rule
		}
		if id, ok := ids[key]; ok && id != x.ID {
			n++
		}
		ids[key] = x.ID
	}
	return n
}

// load is a fleet that drives and never forgets what was acknowledged.
type load struct {
	addr string
	cars []loadCar
	quit chan struct{}
	wg   sync.WaitGroup
}

type loadCar struct {
	mu          sync.Mutex
	sent, acked int
}

func newLoad(addr string, cars int) *load {
	return &load{addr: addr, cars: make([]loadCar, cars), quit: make(chan struct{})}
}

const loadClients = 10

// run publishes with QoS 1, each client its own cars, a car's messages in order.
func (l *load) run(rate int) {
	for c := range loadClients {
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			l.client(c, time.Second*loadClients/time.Duration(rate))
		}()
	}
}

func (l *load) client(c int, every time.Duration) {
	opt := mqtt.NewClientOptions().AddBroker("tcp://" + l.addr).SetClientID(fmt.Sprintf("load-%d", c)).SetCleanSession(true).
		SetAutoReconnect(false).SetConnectTimeout(time.Second).SetOrderMatters(true)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	batch := max(1, int(10*time.Millisecond/every))
	car := c
	for {
		cl := mqtt.NewClient(opt)
		tok := cl.Connect()
		if !tok.WaitTimeout(2*time.Second) || tok.Error() != nil {
			select {
			case <-l.quit:
				return
			case <-tick.C:
				continue
			}
		}
		for cl.IsConnectionOpen() {
			select {
			case <-l.quit:
				cl.Disconnect(1000)
				return
			case <-tick.C:
			}
			for range batch {
				l.publish(cl, car)
				if car += loadClients; car >= len(l.cars) {
					car = c
				}
			}
		}
	}
}

func (l *load) publish(cl mqtt.Client, i int) {
	car := &l.cars[i]
	car.mu.Lock()
	car.sent++
	km := car.sent
	car.mu.Unlock()
	temp := 90
	if km%97 < 3 {
		temp = 120
	}
	tok := cl.Publish(fmt.Sprintf("vehicles/K%03d/telemetry", i), 1, false, fmt.Sprintf(`{"type":"telemetry","vin":"K%03d","time":%d,"signals":{"odometer":%d,"coolant_temp":%d}}`, i, time.Now().UnixMilli(), km, temp))
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		if tok.WaitTimeout(5*time.Second) && tok.Error() == nil {
			car.mu.Lock()
			car.acked = max(car.acked, km)
			car.mu.Unlock()
		}
	}()
}

func (l *load) acked(i int) int {
	l.cars[i].mu.Lock()
	defer l.cars[i].mu.Unlock()
	return l.cars[i].acked
}

func (l *load) stop() {
	close(l.quit)
	l.wg.Wait()
}
