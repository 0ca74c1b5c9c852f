//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestKafkaOut: with the engine killed and the broker killed under way, both topics end up with the very
// events of the webhooks: 0 lost, 0 under a second id, a repetition with the same bytes, each car's in
// order. Against Apache Kafka.
func TestKafkaOut(t *testing.T) {
	t.Parallel()
	const cars, partitions = 60, 3
	b := startKafka(t, kafkaOptions{})
	b.CreateTopic(t, "milepost.alerts", partitions)
	b.CreateTopic(t, "milepost.leads", partitions)
	owner, dealer := newReceiver(t), newReceiver(t)
	e := newEngine(t, fmt.Sprintf(`policy: {group: {wait: 0s}}
kafka: {brokers: [%q]}
notify:
  kafka: {alerts: milepost.alerts, leads: milepost.leads}
  webhooks:
    - {name: dealer-crm, url: %q, secret_file: ./s, to: [dealer], allow_private: true}
    - {name: app-backend, url: %q, secret_file: ./s, to: [owner], allow_private: true}`, b.Addr(), dealer.URL, owner.URL), tenThousand)
	e.write("s", owner.secret+"\n")
	e.start()
	post := func(event func(i int) string) {
		t.Helper()
		events := make([]string, cars)
		for i := range events {
			events[i] = event(i)
		}
		e.post("[" + strings.Join(events, ",") + "]")
	}
	km := func(km int) {
		t.Helper()
		post(func(i int) string {
			return fmt.Sprintf(`{"type":"telemetry","vin":"K%02d","signals":{"odometer":%d}}`, i, km)
		})
	}
	service := func() {
		t.Helper()
		now := time.Now().UTC().Format(time.RFC3339)
		post(func(i int) string {
			return fmt.Sprintf(`{"type":"service","vin":"K%02d","time":%q,"odometer":10700,"items":["engine-oil"],"dealer":"D1","order":"R%d"}`, i, now, i)
		})
	}
	post(func(i int) string {
		return fmt.Sprintf(`{"type":"vehicle","vin":"K%02d","profile":{"owner":"O%d","dealer":"D1","plan":"basic"}}`, i, i)
	})
	km(9100)
	e.kill()
	e.start()
	km(10020)
	b.Kill()
	km(10700)
	service()
	e.kill() // with all of that still to be written
	e.start()
	b.Restart(t)
	km(12000)
	km(19800)
	e.settled()
	e.until("the outbox is empty", 5*time.Minute, func() bool {
		return strings.TrimSpace(e.run("outbox", "list", "-o", "json")) == "[]"
	})

	lost, second, again := 0, 0, 0
	for _, x := range []struct {
		topic string
		hook  *receiver
	}{{"milepost.alerts", owner}, {"milepost.leads", dealer}} {
		events, repeated := eventsOn(t, b.Addr(), x.topic, partitions)
		again += repeated
		second += underTwoIDs(events)
		l, order := missing(events, x.hook.all(t))
		lost += l
		if len(events) != len(x.hook.all(t)) || order != "" {
			t.Errorf("%s: %d events, the webhook got %d; %s", x.topic, len(events), len(x.hook.all(t)), order)
		}
	}
	fmt.Printf("Kafka out, Apache Kafka: %d events on two topics; lost %d; under a second id %d; repeated under the same %d\n",
		len(owner.all(t))+len(dealer.all(t)), lost, second, again)
	if lost > 0 || second > 0 || len(owner.all(t)) < 4*cars {
		t.Errorf("lost %d, under a second id %d, of %d reminders", lost, second, len(owner.all(t)))
	}
}

// eventsOn reads a topic to its end: the first sight of each id in the order of the partitions, and how
// many came again.
func eventsOn(t *testing.T, addr, topic string, partitions int) (events []received, again int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverLimit)
	defer cancel()
	bodies := map[string]string{}
	for p := range partitions {
		conn, err := kafka.DialLeader(ctx, "tcp", addr, topic, p)
		if err != nil {
			t.Fatal(err)
		}
		end, err := conn.ReadLastOffset()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, Topic: topic, Partition: p})
		for at := int64(0); at < end; {
			m, err := r.ReadMessage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			at = m.Offset + 1
			var x received
			if err := json.Unmarshal(m.Value, &x); err != nil || x.Sub != string(m.Key) {
				t.Errorf("key %q, %v: %s", m.Key, err, m.Value)
			}
			x.body = string(m.Value)
			if before, ok := bodies[x.ID]; ok {
				again++
				if before != x.body {
					t.Errorf("%s came again with another body:\n%s\n%s", x.ID, before, x.body)
				}
				continue
			}
			bodies[x.ID] = x.body
			events = append(events, x)
		}
		_ = r.Close()
	}
	return events, again
}

// missing counts the events of a webhook that a topic has not, or with another body, and says where the
// order of a car differs.
func missing(topic, hook []received) (lost int, order string) {
	byCar := map[string][]string{}
	for _, x := range topic {
		byCar[x.Sub] = append(byCar[x.Sub], x.ID+x.body)
	}
	for _, x := range hook {
		q := byCar[x.Sub]
		switch {
		case len(q) == 0:
			lost++
		case q[0] != x.ID+x.body:
			lost++
			order = fmt.Sprintf("%s: expected\n%s, found\n%s", x.Sub, x.body, q[0])
		default:
			byCar[x.Sub] = q[1:]
		}
	}
	return lost, order
}

// TestKafkaBacktest: what simulate writes to a topic, backtest reads from there as it reads it from a file.
// Against Apache Kafka.
func TestKafkaBacktest(t *testing.T) {
	t.Parallel()
	b := sharedKafka(t)
	b.CreateTopic(t, "recorded", 4, "retention.ms", "-1")
	e := newEngine(t, "", tenThousand)
	file := filepath.Join(e.dir, "fleet.ndjson")
	fleet := []string{"simulate", "--vehicles", "50", "--count", "20000", "--seed", "7", "--start", "2026-01-05T00:00:00Z"}
	e.run(append(fleet, "--out", file)...)
	e.run(append(fleet, "--kafka", b.Addr(), "--topic", "recorded")...)
	rules := filepath.Join(e.dir, "rules")
	counts := func(input string) string {
		var out struct {
			Records, Applied, Duplicate, Late, Quarantined int
			Events                                         map[string]int
		}
		text := e.run("backtest", "--rules", rules, "--input", input, "-o", "json")
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return fmt.Sprintf("%+v", out)
	}
	fromFile, fromTopic := counts(file), counts("kafka://"+b.Addr()+"/recorded")
	fmt.Println("backtest of a topic, Apache Kafka:", fromTopic)
	if fromFile != fromTopic {
		t.Errorf("from the topic %s\nfrom the file  %s", fromTopic, fromFile)
	}
}
