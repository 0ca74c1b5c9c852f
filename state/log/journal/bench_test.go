//go:build unix

package journal

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/log"
)

// benchRecords are events like a car's: 254 bytes of payload, 4 partitions' worth of keys.
func benchRecords(n int) []log.Record {
	payload := make([]byte, 254)
	recs := make([]log.Record, n)
	for i := range recs {
		recs[i] = log.Record{
			Kind: log.Event, Types: 1, Arrival: 1_700_000_000_000 + int64(i),
			Key:    fmt.Appendf(nil, "WVWZZZ1JZ3W%06d", i),
			Source: []byte("mqtt"), Topic: fmt.Appendf(nil, "vehicles/WVWZZZ1JZ3W%06d/telemetry", i),
			Codec: []byte("json"), Payload: payload,
		}
	}
	return recs
}

func benchOptions(b *testing.B) Options {
	return Options{Dir: filepath.Join(b.TempDir(), "journal"), Shards: Shards{Events: 4, Notices: 4}}
}

// cpu is what the process has used, in nanoseconds: the figure that holds on a shared machine.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// report adds what a group was, and what a sync took.
func report(b *testing.B, j *Journal, before int64) {
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/record")
	s := j.Stats()
	b.ReportMetric(float64(s.Bytes)/float64(b.N), "B/record")
	b.ReportMetric(float64(s.Records)/float64(s.Syncs.Count), "records/sync")
	b.ReportMetric(float64(s.Syncs.Quantile(0.99).Microseconds()), "p99-sync-µs")
}

// BenchmarkAppend appends batches of 100 with sync; an operation is a record. BenchmarkFloor is the floor.
func BenchmarkAppend(b *testing.B) {
	j := mustOpen(b, benchOptions(b))
	recs := benchRecords(100)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	for i := 0; i < b.N; i += len(recs) {
		p := log.Partition{Stream: log.Events, Shard: uint16(i / len(recs) % 4)}
		if _, err := j.Append(p, recs[:min(len(recs), b.N-i)], log.Ack{}); err != nil {
			b.Fatal(err)
		}
	}
	waitAll(b, j)
	b.StopTimer()
	report(b, j, before)
}

func waitAll(b *testing.B, j *Journal) {
	for i := range j.opts.Shards.total() {
		p := j.opts.Shards.partition(i)
		_, next := j.Range(p)
		if err := j.WaitDurable(context.Background(), p, next); err != nil {
			b.Fatal(err)
		}
	}
}

// counter is an Acker that lets so many appends be in flight.
type counter struct {
	window chan struct{}
	acked  atomic.Int64
}

func (c *counter) Acked(uint64, error) {
	c.acked.Add(1)
	<-c.window
}

// BenchmarkAppendMQTT appends one record a call from 50 goroutines, as the MQTT broker does, each with 20
// in flight; an operation is a record from append to ack.
func BenchmarkAppendMQTT(b *testing.B) {
	const conns, window = 50, 20
	j := mustOpen(b, benchOptions(b))
	recs := benchRecords(conns)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	var wg sync.WaitGroup
	for conn := range conns {
		wg.Go(func() {
			c := &counter{window: make(chan struct{}, window)}
			p := log.Partition{Stream: log.Events, Shard: uint16(conn % 4)}
			for i := conn; i < b.N; i += conns {
				c.window <- struct{}{}
				if _, err := j.Append(p, recs[conn:conn+1], log.Ack{To: c, ID: uint64(i)}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	waitAll(b, j)
	b.StopTimer()
	report(b, j, before)
}

// BenchmarkFloor writes the bytes of BenchmarkAppend in as large groups with one fdatasync each.
func BenchmarkFloor(b *testing.B) {
	for _, group := range []int{100, 1000, 4000} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			f, err := vfs.Default.Create(filepath.Join(b.TempDir(), "floor"), writeCategory)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			_ = f.Preallocate(0, defaultSegmentBytes)
			buf := make([]byte, group*330)
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			for i := 0; i < b.N; i += group {
				if _, err := f.Write(buf[:min(group, b.N-i)*330]); err != nil {
					b.Fatal(err)
				}
				if err := f.SyncData(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/record")
		})
	}
}

// BenchmarkRead reads batches of up to 1,024 records, from memory and from segments.
func BenchmarkRead(b *testing.B) {
	for _, tc := range []struct {
		name   string
		memory int64
	}{{"memory", 1 << 30}, {"disk", 1}} {
		b.Run(tc.name, func(b *testing.B) {
			o := benchOptions(b)
			o.Memory = tc.memory
			j := mustOpen(b, o)
			const kept = 200_000
			recs := benchRecords(1000)
			for range kept / len(recs) {
				if _, err := j.Append(part0, recs, log.Ack{}); err != nil {
					b.Fatal(err)
				}
			}
			waitAll(b, j)
			b.ReportAllocs()
			b.ResetTimer()
			var r log.Reader
			for i := 0; i < b.N; {
				if i%kept == 0 {
					var err error
					if r, err = j.Read(part0, 0); err != nil {
						b.Fatal(err)
					}
				}
				_, recs, err := r.Poll(min(1024, kept-i%kept))
				if err != nil || len(recs) == 0 {
					b.Fatal(len(recs), err)
				}
				if i += len(recs); i%kept == 0 {
					r.Close()
				}
			}
			r.Close()
		})
	}
}
