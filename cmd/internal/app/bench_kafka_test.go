package app

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/fleet"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/ingest/kafka"
	"github.com/milepost-io/milepost/state"
)

// kafkaServer is set in the process of the fake broker: its work must not count as the engine's.
const kafkaServer = "MILEPOST_BENCH_KAFKA"

const (
	kafkaTopic      = "cars"
	kafkaPartitions = 4
	kafkaBatch      = 1000 // messages
)

// serveKafka is a kfake whose topic never ends: each fetch of a partition is answered with a fresh batch of
// the fleet's telemetry.
func serveKafka() error {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(kafkaPartitions, kafkaTopic),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		return err
	}
	defer c.Close()
	filler := fleet.NewFiller(benchCars, 1, time.Now(), time.Millisecond)
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		f := req.(*kmsg.FetchRequest)
		resp := f.ResponseKind().(*kmsg.FetchResponse)
		for _, rt := range f.Topics {
			t := kmsg.NewFetchResponseTopic()
			t.Topic, t.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				p := kmsg.NewFetchResponseTopicPartition()
				p.Partition, p.HighWatermark, p.LastStableOffset = rp.Partition, 1<<40, 1<<40
				p.RecordBatches = fleetBatch(filler, rp.FetchOffset)
				t.Partitions = append(t.Partitions, p)
			}
			resp.Topics = append(resp.Topics, t)
		}
		return resp, nil, true
	})
	fmt.Println(c.ListenAddrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// fleetBatch is a batch of telemetry of random cars, not compressed.
func fleetBatch(filler *fleet.Filler, base int64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(base))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, kafkaBatch-1)
	b = append(b, make([]byte, 30)...)
	b = binary.BigEndian.AppendUint32(b, kafkaBatch)
	var rec []byte
	for i := range kafkaBatch {
		vin, payload := filler.NextAt(time.Now().UnixMilli())
		rec = binary.AppendVarint(append(rec[:0], 0, 0), int64(i))
		rec = append(binary.AppendVarint(rec, int64(len(vin))), vin...)
		rec = append(binary.AppendVarint(rec, int64(len(payload))), payload...)
		rec = append(rec, 0)
		b = append(binary.AppendVarint(b, int64(len(rec))), rec...)
	}
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// throttledSink hands records to a Core and waits while its shards are far behind.
type throttledSink struct {
	ingest.Sink
	l     *load
	b     *testing.B
	mu    sync.Mutex
	since int
	taken atomic.Int64
}

func (s *throttledSink) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	if err := s.Sink.Take(recs, ack, id); err != nil {
		return err
	}
	s.taken.Add(int64(len(recs)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since += len(recs); s.since >= 4096 {
		s.since = 0
		s.l.follow(s.b)
	}
	return nil
}

// benchKafka runs a source of the fake broker's topic into a sink until the benchmark has had its events,
// which taken counts, and settle has returned.
func benchKafka(b *testing.B, sink ingest.Sink, taken *atomic.Int64, settle func()) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), kafkaServer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = cmd.Wait() }()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	src, err := kafka.New(kafka.Options{
		Cluster: kafka.Cluster{Brokers: []string{strings.TrimSpace(addr)}}, Group: "bench", Sink: sink, Logger: zerolog.Nop(),
		Topics: []kafka.Topic{{Name: kafkaTopic, Codec: jsoncodec.Name, Types: ingest.TypeSet(ingest.Telemetry)}},
	})
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx) }()
	for taken.Load() == 0 {
		time.Sleep(time.Millisecond) // joining is no part of the figure
	}
	b.ReportAllocs()
	first := taken.Load()
	start, cpu := time.Now(), cpuTime(b)
	for i := int64(0); b.Loop(); i++ {
		for taken.Load() < first+i {
			time.Sleep(time.Millisecond)
		}
	}
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	settle()
	n := float64(taken.Load() - first)
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1000/n, "cpu-us/event")
	b.ReportMetric(n/time.Since(start).Seconds(), "events/s")
}

// BenchmarkKafka is the whole path from a Kafka topic: raw fetch, journal with sync, strict decode, 50 rules
// and a plan of 6 items on 100,000 cars, write-back. The broker is kfake in a process of its own, which
// makes the events on the same cores: events/s is what is left beside it.
func BenchmarkKafka(b *testing.B) {
	var owners sentCounter
	c := startCore(b, &owners)
	l := newLoad(c)
	l.enrol(b)
	before := c.outcomes(b)
	sink := &throttledSink{Sink: c.Sink(), l: l, b: b}
	benchKafka(b, sink, &sink.taken, func() { l.settle(b) })
	after := c.outcomes(b)
	got := int64(0)
	for _, o := range []state.Outcome{state.Applied, state.Duplicate, state.Late} {
		got += int64(after[o] - before[o])
	}
	if got != sink.taken.Load() {
		b.Errorf("%d events taken, %d applied: %v", sink.taken.Load(), got, after)
	}
}

// floorSink decodes what it is given and copies a document of 600 bytes out of a table and back.
type floorSink struct {
	mu      sync.Mutex
	decoder ingest.Decoder
	ev      ingest.Event
	table   map[string]int32
	docs    [][600]byte
	taken   atomic.Int64
}

func (s *floorSink) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	s.mu.Lock()
	for i := range recs {
		if err := s.decoder.Decode(recs[i].Payload, &s.ev); err != nil {
			s.mu.Unlock()
			return err
		}
		at, ok := s.table[string(recs[i].Key)]
		if !ok {
			at = int32(len(s.docs))
			s.table[string(recs[i].Key)] = at
			s.docs = append(s.docs, [600]byte{})
		}
		doc := s.docs[at]
		doc[i%len(doc)] = byte(len(s.ev.Samples))
		s.docs[at] = doc
	}
	s.mu.Unlock()
	s.taken.Add(int64(len(recs)))
	ack.Acked(id, nil)
	return nil
}

// BenchmarkKafkaFloor is the cheapest program for the same work: fetch, strict decode and a document written
// back in memory. It has no journal, no rules and no store.
func BenchmarkKafkaFloor(b *testing.B) {
	s := &floorSink{decoder: jsoncodec.NewDecoder(ingest.BuiltinCatalogue()), table: map[string]int32{}}
	benchKafka(b, s, &s.taken, func() {})
}
