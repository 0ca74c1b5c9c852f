//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const kafkaInRules = `
plans:
  - {id: basic, remind: {soon: {km: 20}, overdue: {km: 20}}, items: [{id: oil, every: {km: 60}}]}
rules:
  - {id: hot, when: coolant_temp > 110, severity: warning}
`

// kafkaConfig takes topics from a broker with few seconds between a member's death and its partitions'
// return.
func kafkaConfig(addr, more string, topics ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka:\n  brokers: [%q]\n  group: milepost\n%s  topics:\n", addr, more)
	for _, t := range topics {
		fmt.Fprintf(&b, "    - {name: %q, types: [telemetry, vehicle]}\n", t)
	}
	return b.String()
}

// kafkaSourceStatus is what status says of the Kafka source.
type kafkaSourceStatus struct {
	Name        string
	Connections int64
	Lag         *int64
	Trouble     string
}

func (e *engine) kafkaStatus() kafkaSourceStatus {
	e.t.Helper()
	var s struct{ Sources []kafkaSourceStatus }
	if err := json.Unmarshal([]byte(e.run("status", "-o", "json")), &s); err != nil {
		e.t.Fatal(err)
	}
	for _, x := range s.Sources {
		if x.Name == "kafka" {
			return x
		}
	}
	e.t.Fatal("status names no Kafka source")
	return kafkaSourceStatus{}
}

// kafkaFleet drives cars whose messages an idempotent producer writes: each once and in order, whatever the
// broker does. Car i is K<i>; it tells its odometer, which rises by 1 km a message.
type kafkaFleet struct {
	cl    *kgo.Client
	topic string
	cars  int
	km    []int
	sent  atomic.Int64
	bad   atomic.Pointer[error]
	quit  chan struct{}
	wg    sync.WaitGroup
}

func newKafkaFleet(t *testing.T, addr, topic string, cars int, opts ...kgo.Opt) *kafkaFleet {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(5 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &kafkaFleet{cl: cl, topic: topic, cars: cars, km: make([]int, cars), quit: make(chan struct{})}
}

func (f *kafkaFleet) produce(vin, value string) {
	f.sent.Add(1)
	f.cl.Produce(context.Background(), &kgo.Record{Key: []byte(vin), Value: []byte(value)}, func(_ *kgo.Record, err error) {
		if err != nil {
			f.bad.Store(&err)
		}
	})
}

func (f *kafkaFleet) profiles() {
	for i := range f.cars {
		vin := fmt.Sprintf("K%03d", i)
		f.produce(vin, fmt.Sprintf(`{"type":"vehicle","vin":%q,"profile":{"owner":"O%d","dealer":"D1","plan":"basic"}}`, vin, i))
	}
}

// drive has every car send n messages.
func (f *kafkaFleet) drive(n int) {
	for range n {
		for i := range f.km {
			f.step(i)
		}
	}
}

func (f *kafkaFleet) step(i int) {
	f.km[i]++
	temp := 90
	if f.km[i]%97 < 3 {
		temp = 120
	}
	vin := fmt.Sprintf("K%03d", i)
	f.produce(vin, fmt.Sprintf(`{"type":"telemetry","vin":%q,"time":%d,"signals":{"odometer":%d,"coolant_temp":%d}}`, vin, time.Now().UnixMilli(), f.km[i], temp))
}

// run drives at a rate of messages a second until stop.
func (f *kafkaFleet) run(rate int) {
	f.wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; {
			select {
			case <-f.quit:
				return
			case <-tick.C:
			}
			for range rate / 100 {
				f.step(i % f.cars)
				i++
			}
		}
	})
}

// stop ends the load and waits until the broker has everything.
func (f *kafkaFleet) stop(t *testing.T) {
	t.Helper()
	close(f.quit)
	f.wg.Wait()
	f.flush(t)
}

func (f *kafkaFleet) flush(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := f.cl.Flush(ctx); err != nil {
		t.Fatalf("the producer: %v", err)
	}
	if err := f.bad.Load(); err != nil {
		t.Fatalf("the producer: %v", *err)
	}
}

// drained waits until the engine has taken and applied all of the topics.
func (e *engine) drained() counters {
	e.t.Helper()
	e.until("the topics are taken", time.Minute, func() bool {
		<-time.After(200 * time.Millisecond) // each look is a process
		s := e.kafkaStatus()
		return s.Connections > 0 && s.Lag != nil && *s.Lag == 0 && s.Trouble == ""
	})
	return e.settled()
}

// wantExactly checks that each message of the fleet was applied once, and each car stands where it drove.
func (f *kafkaFleet) wantExactly(t *testing.T, c counters, es ...*engine) {
	t.Helper()
	if got := c.Applied + c.Late; got != uint64(f.sent.Load()) || c.Quarantined > 0 {
		t.Errorf("%d messages were written; applied %d + late %d, duplicate %d, quarantined %d", f.sent.Load(), c.Applied, c.Late, c.Duplicate, c.Quarantined)
	}
	for i, km := range f.km {
		best := 0.0
		for _, e := range es {
			if v := e.vehicleOrNone(fmt.Sprintf("K%03d", i)); v != nil && v.Odometer.KM != nil {
				best = max(best, *v.Odometer.KM)
			}
		}
		if best != float64(km) {
			t.Errorf("K%03d drove %d km, the engine has %v", i, km, best)
		}
	}
}

func (e *engine) vehicleOrNone(vin string) *vehicle {
	e.t.Helper()
	out, err := e.try("vehicle", "show", vin, "-o", "json")
	if err != nil {
		return nil
	}
	v := new(vehicle)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		e.t.Fatal(err)
	}
	return v
}

// TestKafkaKill ends the engine with kill -9 and restarts the broker (kill -9 too) under load, in turn and
// together: 0 lost, 0 applied twice, 0 events under a second id. Against Apache Kafka.
func TestKafkaKill(t *testing.T) {
	t.Log("broker: Apache Kafka")
	rounds := 4
	if s := os.Getenv("E2E_KILLS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	const cars, rate = 40, 2000
	b := startKafka(t, kafkaOptions{})
	b.CreateTopic(t, "cars", 6)
	owner, dealer := newReceiver(t), newReceiver(t)
	e := newEngine(t, kafkaConfig(b.Addr(), "", "cars")+fmt.Sprintf(`policy: {group: {wait: 0s}}
notify:
  webhooks:
    - {name: dealer-crm, url: %q, secret_file: ./s, to: [dealer], allow_private: true}
    - {name: app-backend, url: %q, secret_file: ./s, to: [owner], allow_private: true}`, dealer.URL, owner.URL), kafkaInRules)
	e.write("s", owner.secret+"\n")
	e.start()
	f := newKafkaFleet(t, b.Addr(), "cars", cars)
	f.profiles()
	f.run(rate)
	for i := range rounds {
		<-time.After(time.Duration(500+(i*7919)%700) * time.Millisecond)
		if i%2 == 0 {
			e.kill()
		}
		if i%3 != 0 {
			b.Kill()
			<-time.After(300 * time.Millisecond)
			b.Start(t)
		}
		if i%2 == 0 {
			e.start()
		}
	}
	<-time.After(time.Second)
	f.stop(t)
	c := e.drained()
	f.wantExactly(t, c, e)
	e.until("the outbox is empty", time.Minute, func() bool {
		return strings.TrimSpace(e.run("outbox", "list", "-o", "json")) == "[]"
	})
	second := underTwoIDs(owner.all(t)) + underTwoIDs(dealer.all(t))
	t.Logf("Apache Kafka: rounds %d; written %d; received %d = applied %d + duplicate %d + late %d + quarantined %d; under a second id %d; events %d, sent again %d",
		rounds, f.sent.Load(), c.Received, c.Applied, c.Duplicate, c.Late, c.Quarantined, second, len(owner.all(t))+len(dealer.all(t)), owner.again+dealer.again)
	if second > 0 {
		t.Error("events under a second id")
	}
	if len(owner.all(t)) < cars {
		t.Errorf("only %d events reached the owners", len(owner.all(t)))
	}
}
