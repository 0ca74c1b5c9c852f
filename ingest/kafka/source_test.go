package kafka

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/milepost-io/milepost/ingest"
)

func TestSourceTakesEveryCodecFromKfake(t *testing.T) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	c := fakeCluster(t, kfake.SeedTopics(1, "none", "gzip", "snappy", "lz4", "zstd"))
	sink := newSink()
	var names []string
	for name, codec := range codecs {
		names = append(names, name)
		cl := producer(t, c, kgo.ProducerBatchCompression(codec))
		for from := 0; from < 1000; from += 100 {
			var recs []*kgo.Record
			for n := from; n < from+100; n++ {
				recs = append(recs, &kgo.Record{Topic: name, Key: []byte(name), Value: []byte(car(name, n)), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("x")}}})
			}
			send(t, cl, recs...)
		}
	}
	r := run(t, options(c, sink, names...))
	eventually(t, "5,000 records", func() bool { return sink.len() >= 5000 })
	for name := range codecs {
		sink.wantAll(t, name, 0, 1000)
		eventually(t, "all durable", func() bool { return r.durable(name, 0) == 1000 })
	}
	rec := sink.taken()[0]
	if rec.Source != "kafka" || !strings.HasSuffix(rec.Topic, "/0") || !rec.Rising || rec.Codec != "json" || !rec.Types.Has(ingest.Telemetry) {
		t.Errorf("record %+v", rec)
	}
}

func TestSourceResumesWhereItCommittedOnKfake(t *testing.T) {
	c := fakeCluster(t, kfake.SeedTopics(2, "t"))
	cl := producer(t, c)
	sink := newSink()
	const each = 300
	for round := range 4 {
		for p := range int32(2) {
			produce(t, cl, "t", p, round*each, (round+1)*each)
		}
		r := run(t, options(c, sink, "t"))
		eventually(t, "the round's records", func() bool { return sink.len() >= 2*each*(round+1) })
		r.stop(t)
	}
	for p := range 2 {
		sink.wantAll(t, fmt.Sprintf("V%d", p), 0, 4*each)
	}
	if sink.duplicates > 0 {
		t.Errorf("%d records came again after clean stops", sink.duplicates)
	}
}

func TestSourceOfOldBrokersOnKfake(t *testing.T) {
	for name, v := range map[string]*kversion.Versions{"2.7, without topic ids": kversion.V2_7_0(), "3.0, fetches by name": kversion.V3_0_0(), "3.9": kversion.V3_9_0()} {
		t.Run(name, func(t *testing.T) {
			c := fakeCluster(t, kfake.SeedTopics(2, "t"), kfake.MaxVersions(v))
			cl := producer(t, c, kgo.MaxVersions(v))
			sink := newSink()
			r := run(t, options(c, sink, "t"))
			for p := range int32(2) {
				produce(t, cl, "t", p, 0, 100)
			}
			eventually(t, "all is durable", func() bool { return r.durable("t", 0) == 100 && r.durable("t", 1) == 100 })
			sink.wantAll(t, "V0", 0, 100)
			sink.wantAll(t, "V1", 0, 100)
			t.Log(sink.taken()[0].Origin)
		})
	}
	t.Run("2.6 is too old", func(t *testing.T) {
		c := fakeCluster(t, kfake.SeedTopics(1, "t"), kfake.MaxVersions(kversion.V2_4_0()))
		r := run(t, options(c, newSink(), "t"))
		eventually(t, "it says so", func() bool { return strings.Contains(r.Stats().Failure, "Kafka 2.7 or newer is needed") })
	})
}
