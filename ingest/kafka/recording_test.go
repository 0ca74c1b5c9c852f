package kafka

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/milepost-io/milepost/ingest"
)

// With the fake cluster: a topic is read from its beginning to its end, merged by time, arrays split, each
// car's records in their order; what is written meanwhile is not waited for.
func TestRecordingFakeCluster(t *testing.T) {
	c := fakeOut(t)
	p := testProducer(t, c.ListenAddrs())
	const start = 1_700_000_000_000
	var ms []Message
	for i := range 3000 {
		at := int64(start + i*10)
		if i%100 == 50 {
			at -= 5000 // a gateway whose clock is behind
		}
		vin := fmt.Sprintf("V%02d", i%40)
		value := fmt.Sprintf(`{"type":"telemetry","vin":%q,"seq":%d,"signals":{}}`, vin, i)
		if i%10 == 0 {
			value = "[" + value + "," + value + "]"
		}
		ms = append(ms, Message{Key: []byte(vin), Value: []byte(value), Time: time.UnixMilli(at)})
	}
	if err := p.SendAll(t.Context(), outTopic, ms); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRecording(t.Context(), Cluster{Brokers: c.ListenAddrs()}, Topic{Name: outTopic, Codec: "json", Types: ingest.TypeSet(ingest.Telemetry)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := p.SendAll(t.Context(), outTopic, ms[:10]); err != nil {
		t.Fatal(err)
	}
	n, arrival := 0, int64(0)
	last := map[string]uint64{}
	for {
		rec, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		if rec.Arrival < arrival || rec.Arrival < start {
			t.Errorf("arrival %d after %d", rec.Arrival, arrival)
		}
		arrival = rec.Arrival
		key := string(rec.Key) + rec.Origin
		if seq, ok := last[key]; ok && rec.Seq <= seq {
			t.Errorf("%s: %d after %d", key, rec.Seq, seq)
		}
		last[key] = rec.Seq
	}
	if want := 3300; n != want || len(last) != 40 {
		t.Errorf("%d records of %d cars, expected %d of 40", n, len(last), want)
	}
	if want := int64(start + 2999*10); arrival != want {
		t.Errorf("the last arrival is %d, expected %d", arrival, want)
	}
}

// With the fake cluster: a topic that is not there is an error that names it, an empty one has no records.
func TestRecordingEmptyFakeCluster(t *testing.T) {
	c := fakeOut(t)
	cluster := Cluster{Brokers: c.ListenAddrs()}
	if _, err := OpenRecording(t.Context(), cluster, Topic{Name: "nowhere", Codec: "json", Types: 1}); err == nil || !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("%v", err)
	}
	r, err := OpenRecording(t.Context(), cluster, Topic{Name: outTopic, Codec: "json", Types: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("%v, expected the end", err)
	}
}

// With the fake cluster: aborted transactions are no events.
func TestRecordingTransactionsFakeCluster(t *testing.T) {
	c := fakeOut(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("x"), kgo.DefaultProduceTopic(outTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range 6 {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), kgo.KeyStringRecord("V", fmt.Sprintf(`{"vin":"V","seq":%d}`, i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), kgo.TransactionEndTry(i%2 == 0)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenRecording(t.Context(), Cluster{Brokers: c.ListenAddrs()}, Topic{Name: outTopic, Codec: "json", Types: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	for {
		rec, err := r.Next(t.Context())
		if err != nil {
			break
		}
		got = append(got, string(rec.Payload))
	}
	if fmt.Sprint(got) != `[{"vin":"V","seq":0} {"vin":"V","seq":2} {"vin":"V","seq":4}]` {
		t.Errorf("%s", got)
	}
}
