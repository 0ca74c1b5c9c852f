package kafka

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const outTopic = "milepost.alerts"

// fakeOut is a fake cluster of three brokers, in this process, with a topic of four partitions.
func fakeOut(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(4, outTopic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func testProducer(t *testing.T, addrs []string, topics ...string) *Producer {
	t.Helper()
	p, err := NewProducer(Cluster{Brokers: addrs}, append(topics, outTopic), ProducerOptions{Bridge: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// readOut reads n records by another client; partitions in no order among each other.
func readOut(t *testing.T, addrs []string, n int) []*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(outTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		f := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d of %d records: %v", len(out), n, f.Errors())
		}
		out = append(out, f.Records()...)
	}
	return out
}

// failProduce answers the next n produce requests with an error code; keep says that the records are
// written all the same.
func failProduce(c *kfake.Cluster, n int, code int16) *atomic.Int64 {
	var seen atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if seen.Add(1) > int64(n) {
			return nil, nil, false
		}
		return produceAnswer(kreq, code), nil, true
	})
	return &seen
}

func produceAnswer(kreq kmsg.Request, code int16) kmsg.Response {
	req := kreq.(*kmsg.ProduceRequest)
	res := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			rt.Partitions = append(rt.Partitions, rp)
		}
		res.Topics = append(res.Topics, rt)
	}
	return res
}

// With the fake cluster: what many send at once is all there, with header and key, on the partition that
// Java's client would choose, in fewer requests than messages; messages of one key keep their order.
func TestProducerFakeCluster(t *testing.T) {
	c := fakeOut(t)
	p := testProducer(t, c.ListenAddrs())
	requests := failProduce(c, 0, 0)
	const keys, each = 40, 5
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			for i := range each {
				m := Message{Key: fmt.Appendf(nil, "LVS%03d", k), Value: fmt.Append(nil, i), ContentType: "application/x", Time: time.UnixMilli(int64(1_700_000_000_000 + i))}
				if err := p.Send(t.Context(), outTopic, &m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last, partition := map[string]int{}, map[string]int32{}
	for _, r := range readOut(t, c.ListenAddrs(), keys*each) {
		key, i := string(r.Key), int(r.Value[0]-'0')
		if i != last[key] {
			t.Errorf("%s: message %d, expected %d", key, i, last[key])
		}
		last[key] = i + 1
		partition[key] = r.Partition
		if len(r.Headers) != 1 || r.Headers[0].Key != "content-type" || string(r.Headers[0].Value) != "application/x" || r.Timestamp.UnixMilli() != int64(1_700_000_000_000+i) {
			t.Errorf("%s: headers %v at %v", key, r.Headers, r.Timestamp)
		}
	}
	for key, got := range partition {
		if want := writeAside(t, c.ListenAddrs(), key, ""); got != want {
			t.Errorf("%s is on partition %d, another client writes it to %d", key, got, want)
		}
	}
	if n := requests.Load(); n >= keys*each {
		t.Errorf("%d requests for %d messages", n, keys*each)
	}
	if len(p.lanes) != 0 {
		t.Errorf("%d lanes are left", len(p.lanes))
	}
}

// With the fake cluster: errors that pass are bridged, and nobody above hears of them.
func TestProducerBridgesFakeCluster(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.UnknownTopicOrPartition} {
		t.Run(code.Message, func(t *testing.T) {
			c := fakeOut(t)
			seen := failProduce(c, 2, code.Code)
			m := Message{Key: []byte("V"), Value: []byte("x")}
			if err := testProducer(t, c.ListenAddrs()).Send(t.Context(), outTopic, &m); err != nil || seen.Load() != 3 {
				t.Errorf("%v after %d requests, expected success with the third", err, seen.Load())
			}
			readOut(t, c.ListenAddrs(), 1)
		})
	}
}

// With the fake cluster: when the leaders move, what is sent finds them without anybody above noticing.
func TestProducerLeaderMovesFakeCluster(t *testing.T) {
	c := fakeOut(t)
	p := testProducer(t, c.ListenAddrs())
	send := func(from int) {
		t.Helper()
		var ms []Message
		for i := range 40 {
			ms = append(ms, Message{Key: fmt.Appendf(nil, "V%d", i), Value: fmt.Append(nil, from+i)})
		}
		if err := p.SendAll(t.Context(), outTopic, ms); err != nil {
			t.Fatal(err)
		}
	}
	send(0)
	for part := range int32(4) {
		if err := c.MoveTopicPartition(outTopic, part, (c.LeaderFor(outTopic, part)+1)%3); err != nil {
			t.Fatal(err)
		}
	}
	send(40)
	seen := map[string]bool{}
	for _, r := range readOut(t, c.ListenAddrs(), 80) {
		seen[string(r.Value)] = true
	}
	if len(seen) != 80 {
		t.Errorf("%d of 80 messages", len(seen))
	}
}

// With the fake cluster: brokers that go away and come back are bridged.
func TestProducerBrokersAwayFakeCluster(t *testing.T) {
	c := fakeOut(t)
	p := testProducer(t, c.ListenAddrs())
	if err := p.Send(t.Context(), outTopic, &Message{Key: []byte("V"), Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	var ports []int
	for _, addr := range c.ListenAddrs() {
		_, port, err := net.SplitHostPort(addr)
		n, err2 := strconv.Atoi(port)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		ports = append(ports, n)
	}
	c.Close()
	done := make(chan error, 20)
	for i := range cap(done) {
		go func() {
			done <- p.Send(t.Context(), outTopic, &Message{Key: fmt.Appendf(nil, "V%d", i), Value: []byte("2")})
		}()
	}
	c = fakeOut(t, kfake.Ports(ports...))
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	readOut(t, c.ListenAddrs(), 20)
}

// With the fake cluster: an answer that is lost after the records were written makes them stand there
// twice, with the same bytes.
func TestProducerLostAnswerFakeCluster(t *testing.T) {
	c := fakeOut(t)
	first := true
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !first {
			return nil, nil, false
		}
		first = false
		c.SleepControl(func() { _ = writeAside(t, c.ListenAddrs(), "V", "x") }) // written, as by a broker that then dies
		return nil, fmt.Errorf("the connection breaks"), true
	})
	m := Message{Key: []byte("V"), Value: []byte("x")}
	if err := testProducer(t, c.ListenAddrs()).Send(t.Context(), outTopic, &m); err != nil {
		t.Fatal(err)
	}
	for _, r := range readOut(t, c.ListenAddrs(), 2) {
		if string(r.Value) != "x" {
			t.Errorf("value %q", r.Value)
		}
	}
}

// With the fake cluster: what does not pass is told at once, with what to do.
func TestProducerRefusedFakeCluster(t *testing.T) {
	for _, tc := range []struct {
		name   string
		topic  string
		code   *kerr.Error
		reason Reason
		says   string
	}{
		{"too large", outTopic, kerr.MessageTooLarge, Rejected, "max.message.bytes"},
		{"not authorized", outTopic, kerr.TopicAuthorizationFailed, NotAllowed, "right to Write"},
		{"no such topic", "nowhere", nil, NotAllowed, "does not exist"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := fakeOut(t)
			if tc.code != nil {
				failProduce(c, 1<<30, tc.code.Code)
			}
			m := Message{Key: []byte("V"), Value: []byte("x")}
			err := testProducer(t, c.ListenAddrs(), "nowhere").Send(t.Context(), tc.topic, &m)
			if reasonOf(err) != tc.reason || !strings.Contains(fmt.Sprint(err), tc.says) || !strings.Contains(err.Error(), tc.topic) {
				t.Errorf("%v, reason %d", err, reasonOf(err))
			}
		})
	}
}

// With the fake cluster: of a batch that holds a record that is too large, the others are written, in order.
func TestProducerFindsTheLargeOneFakeCluster(t *testing.T) {
	c := fakeOut(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "2000"}))
	p := testProducer(t, c.ListenAddrs())
	var ms []*sending
	for i := range 9 {
		v := fmt.Append(nil, i)
		if i == 4 {
			v = []byte(strings.Repeat("x", 5000))
		}
		ms = append(ms, &sending{msg: &Message{Key: []byte("V"), Value: v}})
	}
	if _, err := p.partitions(t.Context(), outTopic); err != nil {
		t.Fatal(err)
	}
	p.write(t.Context(), laneID{outTopic, 1}, ms)
	for i, s := range ms {
		if want := Reason(0); i != 4 && s.err != nil || i == 4 && reasonOf(s.err) != Rejected {
			t.Errorf("message %d: %v, expected reason %d", i, s.err, want)
		}
	}
	var got []string
	for _, r := range readOut(t, c.ListenAddrs(), 8) {
		got = append(got, string(r.Value))
	}
	if !slices.IsSorted(got) {
		t.Errorf("order %q", got)
	}
}

// A caller that gives up leaves nothing behind, and the others of its lane go on.
func TestProducerGivesUpFakeCluster(t *testing.T) {
	c := fakeOut(t)
	p := testProducer(t, c.ListenAddrs())
	arrived, hold := make(chan struct{}), make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.DropControl()
		close(arrived)
		c.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	send := func(ctx context.Context, v string) chan error {
		done := make(chan error, 1)
		go func() { done <- p.Send(ctx, outTopic, &Message{Key: []byte("V"), Value: []byte(v)}) }()
		return done
	}
	first := send(t.Context(), "1")
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	second := send(ctx, "2")
	cancel()
	if err := <-second; err == nil {
		t.Error("a message nobody waits for is written")
	}
	third := send(t.Context(), "3")
	close(hold)
	for _, done := range []chan error{first, third} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(p.lanes) != 0 {
		t.Errorf("%d lanes are left", len(p.lanes))
	}
}

// Nobody listens: the error says so and that it may work later.
func TestProducerNobodyThere(t *testing.T) {
	p := testProducer(t, []string{"127.0.0.1:1"})
	p.opt.Bridge = 100 * time.Millisecond
	err := p.Send(t.Context(), outTopic, &Message{Key: []byte("V")})
	if reasonOf(err) != Unavailable || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
}

// writeAside writes a record by another client, which chooses partitions as Java's does, and returns where.
func writeAside(t *testing.T, addrs []string, key, value string) int32 {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...))
	if err != nil {
		t.Error(err)
		return -1
	}
	defer cl.Close()
	r, err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: outTopic, Key: []byte(key), Value: []byte(value)}).First()
	if err != nil {
		t.Error(err)
	}
	return r.Partition
}
