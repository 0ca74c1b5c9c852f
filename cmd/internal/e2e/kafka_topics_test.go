//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKafkaCodecs takes topics written with every compression codec. Against Apache Kafka.
func TestKafkaCodecs(t *testing.T) {
	t.Parallel()
	t.Log("broker: Apache Kafka")
	b := sharedKafka(t)
	var names []string
	var fleets []*kafkaFleet
	written := int64(0)
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		name := fmt.Sprintf("codec-%d", i)
		names = append(names, name)
		b.CreateTopic(t, name, 2)
		f := newKafkaFleet(t, b.Addr(), name, 10, kgo.ProducerBatchCompression(codec))
		for j := range f.km {
			f.km[j] = i * 1000 // the cars are the same ones: each topic takes them further
		}
		fleets = append(fleets, f)
	}
	e := newEngine(t, kafkaConfig(b.Addr(), "", names...), kafkaInRules)
	e.start()
	for i, f := range fleets {
		f.drive(300)
		f.flush(t)
		written += f.sent.Load()
		e.until("the topic is applied", 30*time.Second, func() bool {
			<-time.After(100 * time.Millisecond)
			return e.counters().Applied == uint64(written)
		})
		t.Logf("Apache Kafka, codec %d: %d messages applied", i, f.sent.Load())
	}
	c := e.drained()
	if c.Applied != uint64(written) || c.Duplicate+c.Late+c.Quarantined > 0 {
		t.Errorf("%d messages were written: %+v", written, c)
	}
}

// TestKafkaCompacted takes a topic out of which the broker's cleaner has removed most messages, at the ends
// of batches too. Against Apache Kafka.
func TestKafkaCompacted(t *testing.T) {
	t.Parallel()
	t.Log("broker: Apache Kafka")
	b := startKafka(t, kafkaOptions{Settings: []string{"log.cleaner.backoff.ms=200"}})
	b.CreateTopic(t, "compacted", 1, "cleanup.policy", "compact", "segment.ms", "300", "segment.bytes", "1048576",
		"min.cleanable.dirty.ratio", "0.001", "max.compaction.lag.ms", "200", "delete.retention.ms", "100000")
	f := newKafkaFleet(t, b.Addr(), "compacted", 20, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	f.drive(200)
	f.flush(t)
	e := newEngine(t, kafkaConfig(b.Addr(), "", "compacted"), kafkaInRules)
	// The head of a log is never compacted: newer segments make it the past.
	e.until("the cleaner has removed most", time.Minute, func() bool {
		<-time.After(400 * time.Millisecond)
		f.step(0)
		f.flush(t)
		return kafkaCount(t, b.Addr(), "compacted") < 1000
	})
	kept := kafkaCount(t, b.Addr(), "compacted")
	e.start()
	c := e.drained()
	t.Logf("Apache Kafka: %d messages written, %d kept by the cleaner, %+v", f.sent.Load(), kept, c)
	if c.Received >= uint64(f.sent.Load()) || c.Received < 20 || c.Applied != c.Received {
		t.Errorf("%+v of about %d kept", c, kept)
	}
	for i, km := range f.km {
		if v := e.vehicle(fmt.Sprintf("K%03d", i)); v.Odometer.KM == nil || *v.Odometer.KM != float64(km) {
			t.Errorf("K%03d: %v, expected %d", i, v.Odometer.KM, km)
		}
	}
	// And what comes afterwards still comes.
	f.drive(10)
	f.flush(t)
	if after := e.drained(); after.Received < c.Received+200 {
		t.Errorf("200 more written: received %d, then %d", c.Received, after.Received)
	}
}

// kafkaCount reads a topic of one partition to its end.
func kafkaCount(t *testing.T, addr, topic string) int {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for n := 0; ; {
		fs := cl.PollFetches(t.Context())
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		end := false
		fs.EachPartition(func(p kgo.FetchTopicPartition) {
			n += len(p.Records)
			end = len(p.Records) > 0 && p.Records[len(p.Records)-1].Offset+1 >= p.HighWatermark
		})
		if end {
			return n
		}
	}
}

// TestKafkaSecured takes over TLS and with users; a wrong password and an unknown authority are refused with
// the key of the configuration to look at, and mended without a restart of anything but the engine. Against
// Apache Kafka.
func TestKafkaSecured(t *testing.T) {
	t.Parallel()
	t.Log("broker: Apache Kafka")
	b := startKafka(t, kafkaOptions{Users: map[string]string{"milepost": "s3cret"}, TLS: true, ClientCertificates: true})
	cert, key := b.ClientCertificate()
	tlsKeys := fmt.Sprintf("  tls: {ca_file: %q, cert_file: %q, key_file: %q}\n", b.CA(), cert, key)
	sasl := func(mechanism string) string {
		return fmt.Sprintf("  sasl: {mechanism: %s, username: milepost, password_file: ./password}\n", mechanism)
	}
	for _, c := range []struct{ name, addr, more, trouble string }{
		{"tls", b.AddrTLS(), tlsKeys, ""},
		{"plain", b.AddrSASL(), sasl("plain"), ""},
		{"scram-sha-256", b.AddrSASL(), sasl("scram-sha-256"), ""},
		{"scram-sha-512-tls", b.AddrSASLTLS(), sasl("scram-sha-512") + tlsKeys, ""},
		{"wrong-password-plain", b.AddrSASL(), strings.Replace(sasl("plain"), "./password", "./wrong", 1), "kafka.sasl.username and password_file"},
		{"wrong-password-scram", b.AddrSASL(), strings.Replace(sasl("scram-sha-512"), "./password", "./wrong", 1), "kafka.sasl.username and password_file"},
		{"unknown-authority", b.AddrTLS(), "  tls: {enabled: true}\n", "kafka.tls.ca_file"},
		{"no-certificate", b.AddrTLS(), fmt.Sprintf("  tls: {ca_file: %q}\n", b.CA()), "kafka.tls.cert_file"},
		{"tls-at-a-plain-port", b.Addr(), tlsKeys, "kafka.tls"},
		{"plain-at-a-tls-port", b.AddrTLS(), "", "kafka.tls"},
		{"no-user", b.AddrSASL(), "", "kafka.sasl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.CreateTopic(t, c.name, 1)
			f := newKafkaFleet(t, b.Addr(), c.name, 5)
			f.drive(20)
			f.flush(t)
			e := newEngine(t, kafkaConfig(c.addr, c.more, c.name), kafkaInRules)
			e.write("password", "s3cret\n")
			e.write("wrong", "secret\n")
			e.start()
			if c.trouble == "" {
				f.wantExactly(t, e.drained(), e)
				e.stop() // cleanly, so that the next need not wait until its session has ended
				return
			}
			e.until("status says "+c.trouble, 30*time.Second, func() bool {
				<-time.After(100 * time.Millisecond)
				return strings.Contains(e.run("status"), c.trouble)
			})
			if log := e.out.String(); !strings.Contains(log, c.trouble) || strings.Count(log, `"level":"warn"`) > 6 {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

// TestKafkaRebalance has two engines share a group while one joins late, is killed and comes back, under
// load: every message is applied by one of them at least, and stands in the state of one. Against Apache
// Kafka.
func TestKafkaRebalance(t *testing.T) {
	t.Parallel()
	t.Log("broker: Apache Kafka")
	b := startKafka(t, kafkaOptions{})
	b.CreateTopic(t, "shared", 6)
	f := newKafkaFleet(t, b.Addr(), "shared", 60)
	one := newEngine(t, kafkaConfig(b.Addr(), "", "shared"), kafkaInRules)
	two := newEngine(t, kafkaConfig(b.Addr(), "", "shared"), kafkaInRules)
	has := func(e *engine, n int) func() bool {
		return func() bool {
			<-time.After(200 * time.Millisecond)
			s := e.kafkaStatus()
			return s.Connections == int64(n)
		}
	}
	one.start()
	one.until("one has all partitions", time.Minute, has(one, 6))
	f.run(1000)
	two.start()
	two.until("two has its share", time.Minute, has(two, 3))
	one.until("one has the rest", time.Minute, has(one, 3))
	two.kill()
	one.until("one has taken over", time.Minute, has(one, 6))
	two.start()
	two.until("two is back", time.Minute, has(two, 3))
	one.stop()
	two.until("two has all", time.Minute, has(two, 6))
	one.start()
	one.until("one is back", time.Minute, has(one, 3))
	f.stop(t)
	c1, c2 := one.drained(), two.drained()
	t.Logf("Apache Kafka: written %d; one %+v; two %+v", f.sent.Load(), c1, c2)
	if c1.Quarantined+c2.Quarantined > 0 {
		t.Error("messages were quarantined")
	}
	if applied := c1.Applied + c1.Late + c2.Applied + c2.Late; applied < uint64(f.sent.Load()) {
		t.Errorf("lost: %d written, %d applied", f.sent.Load(), applied)
	}
	for i, km := range f.km {
		got := 0.0
		for _, e := range []*engine{one, two} {
			if v := e.vehicleOrNone(fmt.Sprintf("K%03d", i)); v != nil && v.Odometer.KM != nil {
				got = max(got, *v.Odometer.KM)
			}
		}
		if got != float64(km) {
			t.Errorf("K%03d drove %d km, the engines have %v", i, km, got)
		}
	}
}

// TestKafkaRecreated deletes a topic and makes it again while the engine runs, and while it does not: the
// source stops and says why, the other topic goes on, and the operator's reset is obeyed. Against Apache
// Kafka.
func TestKafkaRecreated(t *testing.T) {
	t.Parallel()
	t.Log("broker: Apache Kafka")
	b := startKafka(t, kafkaOptions{})
	b.CreateTopic(t, "again", 1)
	b.CreateTopic(t, "other", 1)
	e := newEngine(t, kafkaConfig(b.Addr(), "", "again", "other"), kafkaInRules)
	e.start()
	f := newKafkaFleet(t, b.Addr(), "again", 5)
	f.drive(10)
	f.flush(t)
	before := e.drained()
	stopped := func() bool {
		<-time.After(200 * time.Millisecond)
		return strings.Contains(e.run("status"), "was made again")
	}
	b.DeleteTopic(t, "again")
	<-time.After(time.Second)
	b.CreateTopic(t, "again", 1)
	e.until("the source says that the topic is another", time.Minute, stopped)
	fresh := newKafkaFleet(t, b.Addr(), "again", 5)
	for i := range fresh.km {
		fresh.km[i] = 100
	}
	fresh.drive(10)
	fresh.flush(t)
	other := newKafkaFleet(t, b.Addr(), "other", 5)
	for i := range other.km {
		other.km[i] = 50
	}
	other.drive(10)
	other.flush(t)
	e.until("the other topic goes on", 30*time.Second, func() bool {
		<-time.After(100 * time.Millisecond)
		return e.counters().Applied == before.Applied+50
	})
	e.stop()
	e.start()
	e.until("a restart changes nothing", time.Minute, stopped)
	e.stop()
	commitOffset(t, b.Addr(), "milepost", "again", 0)
	e.start()
	e.until("the operator's offset is obeyed", time.Minute, func() bool {
		<-time.After(200 * time.Millisecond)
		c := e.counters() // those of the new topic are older than what the other brought since
		return c.Applied+c.Late == before.Applied+100
	})
	if trouble := e.run("status"); strings.Contains(trouble, "was made again") {
		t.Errorf("status:\n%s", trouble)
	}
}

// commitOffset sets a group's offset as kafka-consumer-groups.sh does. The group must have no member.
func commitOffset(t *testing.T, addr, group, topic string, offset int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverLimit)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(addr)}
	r, err := client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: offset}}},
	})
	if err == nil {
		err = r.Topics[topic][0].Error
	}
	if err != nil {
		t.Fatalf("set the offset of %s in %s: %v", group, topic, err)
	}
}
