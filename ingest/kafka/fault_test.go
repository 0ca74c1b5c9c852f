package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

func TestCompactedTopicOfKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(1, "t"))
	sink := newSink()
	cl := producer(t, c, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	for n := range 100 { // batches of 10; only the newest of each car stays
		var recs []*kgo.Record
		for i := range 10 {
			vin := fmt.Sprintf("V%d", (n+i)%7)
			recs = append(recs, &kgo.Record{Topic: "t", Key: []byte(vin), Value: []byte(car(vin, n*10+i))})
		}
		send(t, cl, recs...)
	}
	want := map[int]bool{}
	for n := 930; n < 1000; n++ {
		want[n] = true
	}
	alter(t, cl, "t", map[string]string{"cleanup.policy": "compact", "min.compaction.lag.ms": "0", "min.cleanable.dirty.ratio": "0", "segment.ms": "1"})
	time.Sleep(5 * time.Millisecond) // the segment's age, by the fake's clock
	send(t, cl, &kgo.Record{Topic: "t", Key: []byte("last"), Value: []byte(car("last", 1))})
	c.Compact()
	r := run(t, options(c, sink, "t"))
	eventually(t, "everything is durable", func() bool { return r.durable("t", 0) == 1001 })
	if n := sink.len(); n >= 1001 || n < 8 {
		t.Errorf("%d of 1001 records were left by compaction", n)
	}
	produce(t, cl, "t", 0, 5000, 5010)
	eventually(t, "what comes after compaction", func() bool { return r.durable("t", 0) == 1011 })
}

func alter(t *testing.T, cl *kgo.Client, topic string, configs map[string]string) {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	for k, v := range configs {
		e := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		e.Name, e.Value = k, kmsg.StringPtr(v)
		res.Configs = append(res.Configs, e)
	}
	req.Resources = append(req.Resources, res)
	r, err := req.RequestWith(context.Background(), cl)
	if err != nil || r.Resources[0].ErrorCode != 0 {
		t.Fatalf("alter: %v %+v", err, r)
	}
}

func TestAbortedTransactionsOfKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(1, "t"))
	sink := newSink()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx := context.Background()
	n := 0
	for round := range 12 {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		commit := round%3 != 1
		for range 2 {
			var recs []*kgo.Record
			for range 5 {
				number := 90_000
				if commit {
					number = n
					n++
				}
				recs = append(recs, &kgo.Record{Key: []byte("V"), Value: []byte(car("V", number))})
			}
			send(t, cl, recs...)
		}
		if err := cl.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, options(c, sink, "t"))
	eventually(t, "all offsets, markers included, are durable", func() bool { return r.durable("t", 0) == 12*10+12 })
	sink.wantAll(t, "V", 0, n)
	if got := r.Stats().Aborted; got != 40 {
		t.Errorf("%d records of aborted transactions were counted, expected 40", got)
	}
}

// TestAbortedWithNothingLeft: compaction took an aborted transaction's records; its marker alone closes it,
// and the producer's next records are kept.
func TestAbortedWithNothingLeft(t *testing.T) {
	var a aborted
	a.add(7, 10)
	a.begin()
	marker := batch{base: 20, last: 20, producer: 7, attributes: attrControl | attrTransactional}
	a.advance(&marker)
	a.marker(&marker, []message{{key: []byte{0, 0, 0, 0}}})
	data := batch{base: 21, last: 25, producer: 7, attributes: attrTransactional}
	a.advance(&data)
	if a.drops(&data) {
		t.Error("records after the abort marker are dropped")
	}
}

// damage changes the records of fetched batches while it returns true for the partition's fetch offset.
func damage(c *kfake.Cluster, t *testing.T, change func(base int64, records []byte) []byte) {
	t.Helper()
	addr := c.ListenAddrs()[0]
	inner, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inner.Close)
	var own atomic.Bool // the request that asks the fake itself passes
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if own.Load() {
			return nil, nil, false
		}
		f := req.(*kmsg.FetchRequest)
		var resp *kmsg.FetchResponse
		c.SleepControl(func() {
			own.Store(true)
			defer own.Store(false)
			copied := *f
			r, err := copied.RequestWith(context.Background(), inner)
			if err == nil {
				resp = r
			}
		})
		if resp == nil {
			return nil, nil, false
		}
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				p := &resp.Topics[i].Partitions[j]
				for at := p.RecordBatches; len(at) >= batchHeader; {
					n := batchStart + int(binary.BigEndian.Uint32(at[batchLengthAt:]))
					if n > len(at) {
						break
					}
					copy(at, change(int64(binary.BigEndian.Uint64(at)), at[:n:n]))
					at = at[n:]
				}
			}
		}
		return resp, nil, true
	})
}

func TestDamagedBatchesOfKfake(t *testing.T) {
	for _, d := range []struct {
		name   string
		change func([]byte)
		want   string
	}{
		{"wrong CRC", func(p []byte) { p[len(p)-1]++ }, "CRC-32C"},
		{"unknown magic", func(p []byte) { p[batchMagicAt] = 1 }, "magic 1"},
		{"bad record", func(p []byte) { p[batchHeader] = 0x7e; reseal(p) }, "a length or number in it"},
	} {
		t.Run(d.name, func(t *testing.T) {
			c := fakeCluster(t, kfake.SeedTopics(1, "t"))
			sink := newSink()
			cl := producer(t, c)
			for n := range 6 {
				produce(t, cl, "t", 0, n*10, n*10+10)
			}
			var sick atomic.Int64
			sick.Store(1 << 30)
			damage(c, t, func(base int64, p []byte) []byte {
				if base == 20 && sick.Add(-1) > 0 {
					d.change(p)
				}
				return p
			})
			r := run(t, options(c, sink, "t"))
			eventually(t, "the batches around it are durable", func() bool { return r.durable("t", 0) == 60 })
			var letters []ingest.Record
			for _, rec := range sink.taken() {
				if rec.Codec == ingest.UnreadableCodec {
					letters = append(letters, rec)
				}
			}
			if len(letters) != 1 || sink.len() != 51 {
				t.Fatalf("%d dead letters, %d records, expected 1 and 51", len(letters), sink.len())
			}
			detail := ingest.UnreadableDetail(letters[0].Payload)
			if !strings.Contains(detail, "topic t, partition 0, offsets 20 to 29") || !strings.Contains(detail, d.want) || len(letters[0].Payload) < 100 {
				t.Errorf("dead letter %q", detail)
			}
			if st := r.Stats(); st.Unreadable != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
	t.Run("wrong CRC that passes", func(t *testing.T) {
		c := fakeCluster(t, kfake.SeedTopics(1, "t"))
		sink := newSink()
		cl := producer(t, c)
		produce(t, cl, "t", 0, 0, 10)
		var sick atomic.Int64
		sick.Store(3)
		damage(c, t, func(_ int64, p []byte) []byte {
			if sick.Add(-1) > 0 {
				p[len(p)-1]++
			}
			return p
		})
		run(t, options(c, sink, "t"))
		eventually(t, "the batch, fetched again", func() bool { return sink.len() == 10 })
		sink.wantAll(t, "V0", 0, 10)
	})
}

func TestFetchErrorsOfKfake(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.UnknownServerError, kerr.UnknownTopicID, kerr.FencedLeaderEpoch} {
		t.Run(e.Message, func(t *testing.T) {
			c := fakeCluster(t, kfake.SeedTopics(2, "t"))
			sink := newSink()
			cl := producer(t, c)
			produce(t, cl, "t", 0, 0, 20)
			produce(t, cl, "t", 1, 0, 20)
			var left atomic.Int64
			left.Store(3)
			c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if left.Add(-1) < 0 {
					return nil, nil, false
				}
				f := req.(*kmsg.FetchRequest)
				resp := f.ResponseKind().(*kmsg.FetchResponse)
				for _, rt := range f.Topics {
					st := kmsg.NewFetchResponseTopic()
					st.Topic, st.TopicID = rt.Topic, rt.TopicID
					for _, rp := range rt.Partitions {
						sp := kmsg.NewFetchResponseTopicPartition()
						sp.Partition, sp.ErrorCode, sp.HighWatermark = rp.Partition, e.Code, -1
						st.Partitions = append(st.Partitions, sp)
					}
					resp.Topics = append(resp.Topics, st)
				}
				return resp, nil, true
			})
			run(t, options(c, sink, "t"))
			eventually(t, "all records after the errors", func() bool { return sink.len() == 40 })
			sink.wantAll(t, "V0", 0, 20)
			sink.wantAll(t, "V1", 0, 20)
		})
	}
}

func TestBrokersThatHangUpOfKfake(t *testing.T) {
	c := fakeCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(6, "t"))
	sink := newSink()
	cl := producer(t, c)
	var n atomic.Int64
	c.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if k := req.Key(); k != int16(kmsg.Produce) && k != int16(kmsg.ApiVersions) && n.Add(1)%29 == 0 {
			return nil, fmt.Errorf("hang up"), true
		}
		return nil, nil, false
	})
	r := run(t, options(c, sink, "t"))
	for round := range 10 {
		for p := range int32(6) {
			produce(t, cl, "t", p, round*50, round*50+50)
		}
	}
	eventually(t, "all records", func() bool { return sink.len() == 6*500 })
	for p := range 6 {
		sink.wantAll(t, fmt.Sprintf("V%d", p), 0, 500)
	}
	r.stop(t)
}

func TestLeadersThatMoveOfKfake(t *testing.T) {
	c := fakeCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(6, "t"))
	sink := newSink()
	cl := producer(t, c)
	r := run(t, options(c, sink, "t"))
	for round := range 20 {
		for p := range int32(6) {
			if err := c.MoveTopicPartition("t", p, int32((round+int(p))%3)); err != nil {
				t.Fatal(err)
			}
			produce(t, cl, "t", p, round*20, round*20+20)
		}
	}
	eventually(t, "all records", func() bool { return sink.len() == 6*400 })
	for p := range 6 {
		sink.wantAll(t, fmt.Sprintf("V%d", p), 0, 400)
	}
	r.stop(t)
}

func TestOffsetOutOfRangeOfKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(2, "t"))
	sink := newSink()
	cl := producer(t, c)
	for p := range int32(2) {
		produce(t, cl, "t", p, 0, 10)
	}
	r := run(t, options(c, sink, "t"))
	eventually(t, "the first records", func() bool { return r.durable("t", 0) == 10 && r.durable("t", 1) == 10 })
	r.stop(t)
	produce(t, cl, "t", 0, 10, 30)
	produce(t, cl, "t", 1, 10, 30)
	if err := c.DeleteRecords("t", 0, 25); err != nil {
		t.Fatal(err)
	}
	r = run(t, options(c, sink, "t"))
	eventually(t, "partition 0 stops with the reason", func() bool {
		return strings.Contains(r.reason("t", 0), "offset 10 is out of range: the partition begins at 25, so the cluster removed 15 offsets")
	})
	eventually(t, "partition 1 goes on", func() bool { return r.durable("t", 1) == 30 })
	sink.wantAll(t, "V0", 0, 10)
	sink.wantAll(t, "V1", 0, 30)
	r.stop(t)
	setOffset(t, c, "t", 25)
	r = run(t, options(c, sink, "t"))
	eventually(t, "the operator's offset is obeyed", func() bool { return r.durable("t", 0) == 30 })
	if got := sink.seqs("V0"); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 25, 26, 27, 28, 29}) {
		t.Errorf("V0: %v", got)
	}
}

// setOffset sets a group's offset as Kafka's tools do.
func setOffset(t *testing.T, c *kfake.Cluster, topic string, offset int64) {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(c.ListenAddrs()...)}
	eventually(t, "the group has no members", func() bool {
		r, err := client.OffsetCommit(context.Background(), &kafka.OffsetCommitRequest{GroupID: "g", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: {{Offset: offset}}}})
		return err == nil && r.Topics[topic][0].Error == nil
	})
}

func TestRecreatedTopicOfKfake(t *testing.T) {
	again := func(t *testing.T, c *kfake.Cluster) {
		t.Helper()
		if err := c.DeleteTopic("t"); err != nil {
			t.Fatal(err)
		}
		if err := c.CreateTopic("t", 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	first := func(t *testing.T) (*kfake.Cluster, *memorySink, *running, *kgo.Client) {
		c := fakeCluster(t, kfake.SeedTopics(1, "t", "other"))
		sink := newSink()
		cl := producer(t, c)
		produce(t, cl, "t", 0, 0, 10)
		r := run(t, options(c, sink, "t", "other"))
		eventually(t, "the first records", func() bool { return r.durable("t", 0) == 10 })
		return c, sink, r, cl
	}
	newProducer := func(t *testing.T, c *kfake.Cluster) *kgo.Client { return producer(t, c) } // the old one knows the old id
	t.Run("while running", func(t *testing.T) {
		c, sink, r, cl := first(t)
		again(t, c)
		eventually(t, "the topic stops", func() bool { return strings.Contains(r.reason("t", 0), "was made again") })
		produce(t, newProducer(t, c), "t", 0, 100, 120)
		send(t, cl, &kgo.Record{Topic: "other", Key: []byte("O"), Value: []byte(car("O", 0))})
		eventually(t, "the other topic goes on", func() bool { return len(sink.seqs("O")) == 1 })
		sink.wantAll(t, "V0", 0, 10)
		r.stop(t)
		setOffset(t, c, "t", 0)
		r = run(t, options(c, sink, "t", "other"))
		eventually(t, "the operator's offset is obeyed", func() bool { return r.durable("t", 0) == 20 })
		if got := len(sink.seqs("V0")); got != 30 {
			t.Errorf("%d records, expected 10 and 20: offsets of the new topic were taken for redeliveries", got)
		}
	})
	t.Run("while away", func(t *testing.T) {
		c, sink, r, _ := first(t)
		origin := sink.taken()[0].Origin
		r.stop(t)
		again(t, c) // the cluster forgets the group's offsets of a topic that is deleted
		produce(t, newProducer(t, c), "t", 0, 100, 120)
		o := options(c, sink, "t", "other")
		o.Origins = func(context.Context) ([]string, error) { return []string{"kafka:elsewhere/0/-", origin}, nil }
		r = run(t, o)
		eventually(t, "the topic does not begin", func() bool { return strings.Contains(r.reason("t", 0), "was made again") })
		sink.wantAll(t, "V0", 0, 10)
	})
}

func TestRestoredPositionOfKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(1, "t"))
	sink := newSink()
	cl := producer(t, c)
	produce(t, cl, "t", 0, 0, 30)
	var mu sync.Mutex
	told := map[string]uint64{}
	o := options(c, sink, "t")
	o.Position = func(origin string, next uint64) { mu.Lock(); defer mu.Unlock(); told[origin] = next }
	r := run(t, o)
	origin := ""
	eventually(t, "the position is told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for k, next := range told {
			origin = k
			return offsetOf(next) > 0
		}
		return false
	})
	eventually(t, "all is durable", func() bool { return r.durable("t", 0) == 30 })
	r.stop(t)
	restored := newSink() // a state of the backup: it has the first 12
	o = options(c, restored, "t")
	o.Restored = func(of string) (uint64, bool) { return seqOf(12, 0), of == origin }
	r = run(t, o)
	eventually(t, "the source went back", func() bool { return r.durable("t", 0) == 30 })
	restored.wantAll(t, "V0", 12, 30)
	r.stop(t)
	o.Restored = nil
	r = run(t, o)
	eventually(t, "and its offset was committed", func() bool { return r.durable("t", 0) == 30 })
	restored.wantAll(t, "V0", 12, 30)
}

func TestStartOfAGroupOnKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(1, "t"))
	sink := newSink()
	cl := producer(t, c)
	produce(t, cl, "t", 0, 0, 10)
	o := options(c, sink, "t")
	o.Latest = true
	r := run(t, o)
	eventually(t, "the end is found", func() bool { return r.durable("t", 0) == 10 })
	produce(t, cl, "t", 0, 10, 20)
	eventually(t, "what came after", func() bool { return r.durable("t", 0) == 20 })
	r.stop(t)
	sink.wantAll(t, "V0", 10, 20)
	produce(t, cl, "t", 0, 20, 30)
	r = run(t, o) // `latest` is for a group without offsets: nothing is left out now
	eventually(t, "what came while away", func() bool { return r.durable("t", 0) == 30 })
	sink.wantAll(t, "V0", 10, 30)
}

func TestRebalanceOnKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(4, "t"))
	sink := newSink() // one for both: it sees what either takes
	cl := producer(t, c)
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				stopped <- n
				return
			default:
			}
			for p := range int32(4) {
				produce(t, cl, "t", p, n, n+5)
			}
			n += 5
		}
	}()
	count := func(r *running, n int) func() bool { return func() bool { return len(r.Stats().Partitions) == n } }
	one := run(t, options(c, sink, "t"))
	eventually(t, "one has all", count(one, 4))
	two := run(t, options(c, sink, "t"))
	eventually(t, "they share", func() bool { return count(one, 2)() && count(two, 2)() })
	held := one.Stats().Partitions
	three := run(t, options(c, sink, "t"))
	eventually(t, "three share", func() bool {
		return len(one.Stats().Partitions)+len(two.Stats().Partitions)+len(three.Stats().Partitions) == 4 && len(three.Stats().Partitions) == 1
	})
	three.stop(t)
	eventually(t, "two share again", func() bool { return count(one, 2)() && count(two, 2)() })
	for _, p := range one.Stats().Partitions {
		if !slices.ContainsFunc(held, func(h PartitionStats) bool { return h.Partition == p.Partition }) && len(held) > 0 {
			t.Logf("partition %d moved", p.Partition) // stickiness is for the balancer's own test
		}
	}
	one.stop(t)
	eventually(t, "two has all", count(two, 4))
	close(stop)
	n := <-stopped
	eventually(t, "all records", func() bool { return sink.len() == 4*n })
	for p := range 4 {
		sink.wantAll(t, fmt.Sprintf("V%d", p), 0, n)
	}
}

func TestOffsetsWaitForDurabilityOnKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(1, "t"))
	sink := newSink()
	cl := producer(t, c)
	sink.hold()
	r := run(t, options(c, sink, "t"))
	for n := range 20 {
		produce(t, cl, "t", 0, n*10, n*10+10)
	}
	eventually(t, "all is taken", func() bool { return sink.len() == 200 })
	if d := r.durable("t", 0); d != 0 {
		t.Fatalf("offset %d counts as durable and nothing was answered", d)
	}
	r.stop(t)
	if info := committed(t, c, "t"); info > 0 {
		t.Fatalf("offset %d was committed and nothing is durable", info)
	}
	sink.release()
	r = run(t, options(c, sink, "t"))
	eventually(t, "all comes again and is committed", func() bool { return committed(t, c, "t") == 200 })
	r.stop(t)
	sink.wantAll(t, "V0", 0, 200)
	if sink.duplicates != 200 {
		t.Errorf("%d redeliveries, expected 200", sink.duplicates)
	}
}

func committed(t *testing.T, c *kfake.Cluster, topic string) int64 {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(c.ListenAddrs()...)}
	r, err := client.OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{GroupID: "g", Topics: map[string][]int{topic: {0}}})
	if err != nil {
		t.Fatal(err)
	}
	return r.Topics[topic][0].CommittedOffset
}

// TestBlockedSinkOnKfake: partitions are taken away while their worker waits in the Sink. They are not
// fetched anew before it has come back, and nothing is applied twice.
func TestBlockedSinkOnKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(2, "t"))
	sink := newSink()
	cl := producer(t, c)
	unblock := sink.block()
	o := options(c, sink, "t")
	o.DrainTimeout = 50 * time.Millisecond
	r := run(t, o)
	produce(t, cl, "t", 0, 0, 50)
	produce(t, cl, "t", 1, 0, 50)
	eventually(t, "it is a member", func() bool { return len(r.Stats().Partitions) == 2 })
	other := newSink()
	o2 := o
	o2.Sink = other
	two := run(t, o2)
	eventually(t, "another member shares, whatever the first one's sink does", func() bool { return len(two.Stats().Partitions) == 1 })
	two.stop(t)
	eventually(t, "the first is a member again", func() bool { return r.Stats().Generations >= 3 && r.Stats().Joined })
	for range 100 { // a second worker would be in the Sink at once
		time.Sleep(2 * time.Millisecond)
	}
	unblock()
	eventually(t, "the first has all again", func() bool { return r.durable("t", 0) == 50 && r.durable("t", 1) == 50 })
	r.stop(t)
	if sink.overlap {
		t.Error("a partition was taken by two workers at a time")
	}
	for p := range 2 {
		vin := fmt.Sprintf("V%d", p)
		mine, theirs := sink.seqs(vin), other.seqs(vin)
		if len(mine) < 50 && len(theirs) < 50 {
			t.Errorf("%s: %d and %d of 50", vin, len(mine), len(theirs))
		}
		if !slices.IsSorted(mine) {
			t.Errorf("%s: out of order: %v", vin, mine)
		}
	}
}

func TestSinkThatEndsOnKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(1, "t"))
	sink := newSink()
	sink.failed = errSink
	produce(t, producer(t, c), "t", 0, 0, 10)
	r := run(t, options(c, sink, "t"))
	eventually(t, "the source leaves the group", func() bool { return r.Stats().Generations > 0 && !r.Stats().Joined })
	r.stop(t)
}

func TestMessagesOfKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(1, "t"))
	sink := newSink()
	cl := producer(t, c, kgo.ProducerBatchMaxBytes(4<<20))
	alter(t, cl, "t", map[string]string{"max.message.bytes": "4194304"})
	rec := func(key, value string) *kgo.Record {
		r := &kgo.Record{Topic: "t"}
		if key != "-" {
			r.Key = []byte(key)
		}
		if value != "-" {
			r.Value = []byte(value)
		}
		return r
	}
	send(t, cl,
		rec("V1", car("V1", 0)),
		rec("-", car("V2", 1)),                                          // null key: the value names the car
		rec("", car("V3", 2)),                                           // and so for an empty one
		rec("-", `[`+car("V4", 3)+`,`+car("V5", 4)+`]`),                 // an array: an entry each
		rec("V6", `[`+car("V6", 5)+`, `+car("V6", 6)+`]`),               //
		rec("V7", "-"),                                                  // tombstone
		rec("-", "-"),                                                   // nothing at all
		rec("no key!", car("V8", 7)),                                    // a key that is no id
		rec("O1", `{"type":"party","id":"O1","role":"owner"}`),          //
		rec("-", `{"type":"erase","party":"O2"}`),                       //
		rec("V9", "["+strings.Repeat("0,", maxEntries+1)+"0]"),          // too many entries: one bad record
		rec("V9", `{"x":"`+strings.Repeat("y", ingest.MaxPayload)+`"}`), // too large
	)
	o := options(c, sink)
	o.Topics = []Topic{{Name: "t", Codec: json.Name, Types: ingest.TypeSet(ingest.Telemetry, ingest.Party, ingest.Erase)}}
	run(t, o)
	eventually(t, "all records", func() bool { return sink.len() == 14 })
	want := []struct {
		key   string
		party bool
		seq   uint64
		empty bool
	}{
		{"V1", false, seqOf(0, 0), false}, {"V2", false, seqOf(1, 0), false}, {"V3", false, seqOf(2, 0), false},
		{"V4", false, seqOf(3, 0), false}, {"V5", false, seqOf(3, 1), false}, {"V6", false, seqOf(4, 0), false}, {"V6", false, seqOf(4, 1), false},
		{"V7", false, seqOf(5, 0), true}, {"", false, seqOf(6, 0), true}, {"", false, seqOf(7, 0), false}, {"O1", true, seqOf(8, 0), false},
		{"O2", true, seqOf(9, 0), false}, {"V9", false, seqOf(10, 0), false}, {"V9", false, seqOf(11, 0), false},
	}
	for i, r := range sink.taken() {
		w := want[i]
		if string(r.Key) != w.key || r.Party != w.party || r.Seq != w.seq || (len(r.Payload) == 0) != w.empty {
			t.Errorf("record %d: key %q party %v seq %d, %d bytes; expected %+v", i, r.Key, r.Party, r.Seq, len(r.Payload), w)
		}
	}
	if last := sink.taken()[13]; !last.Oversize || len(last.Payload) > ingest.OversizeKeep+100 {
		t.Errorf("oversize: %v, %d bytes", last.Oversize, len(last.Payload))
	}
}

func TestMissingTopicOfKfake(t *testing.T) {
	c := fakeCluster(t)
	sink := newSink()
	o := options(c, sink, "later")
	r := run(t, o)
	eventually(t, "it says what is missing", func() bool { return strings.Contains(r.log.String(), "topics that do not exist") })
	if n := r.Stats().Generations; n > 3 {
		t.Errorf("%d generations while the topic is missing", n)
	}
	if err := c.CreateTopic("later", 1, nil); err != nil {
		t.Fatal(err)
	}
	produce(t, producer(t, c), "later", 0, 0, 10)
	eventually(t, "the topic is taken once it is there", func() bool { return sink.len() == 10 })
}

func TestCredentialsOnKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(1, "t"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "right"), kfake.Superuser("SCRAM-SHA-256", "u", "right"), kfake.Superuser("SCRAM-SHA-512", "u", "right"))
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		for _, password := range []string{"right", "wrong"} {
			o := options(c, newSink(), "t")
			o.Group = mechanism + password
			o.Cluster.SASL = SASL{Mechanism: mechanism, Username: "u", Password: password}
			r := run(t, o)
			if password == "right" {
				eventually(t, mechanism+" is let in", func() bool { return r.durable("t", 0) == 0 })
			} else {
				eventually(t, mechanism+" is told what to look at", func() bool {
					return strings.Contains(r.Stats().Failure, "kafka.sasl.username and password_file")
				})
			}
			r.stop(t)
		}
	}
}
