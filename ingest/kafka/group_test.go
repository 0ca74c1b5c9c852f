package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

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
