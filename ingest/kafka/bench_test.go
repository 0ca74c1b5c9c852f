package kafka

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// benchServer is set, to a codec, in the process of the fake broker: its work must not count as ours.
const benchServer = "MILEPOST_BENCH_KAFKA"

func TestMain(m *testing.M) {
	if codec := os.Getenv(benchServer); codec != "" {
		serveBench(codec)
		return
	}
	os.Exit(m.Run())
}

// benchMessages of benchValue bytes make a batch.
const (
	benchMessages = 4000
	benchValue    = 246
)

// serveBench serves one batch again and again until its input ends.
func serveBench(codec string) {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"),
		kfake.SyntheticFetch(kfake.SyntheticBatch{Records: benchMessages, RecordBytes: benchValue, RandomFrac: 0.2, Compression: codecs[codec]}))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	fmt.Println(c.ListenAddrs()[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// benchFetcher is a fetcher of a fake broker in another process.
func benchFetcher(b *testing.B, codec string) (*fetcher, topicID) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchServer+"="+codec)
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
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	cl, err := (&Cluster{Brokers: []string{strings.TrimSpace(addr)}}).client([]string{"t"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cl.close)
	for {
		infos, err := cl.metadata(b.Context(), []string{"t"})
		if err != nil {
			b.Fatal(err)
		}
		f := newFetcher(cl, infos["t"].leaders[0])
		if f.fetch(b.Context(), []wanted{{topic: "t", id: infos["t"].id}}) == nil {
			return f, infos["t"].id
		}
		time.Sleep(10 * time.Millisecond) // the transport does not know the broker yet
	}
}

// fetchAll fetches b.N messages and passes each answer's records to use, which returns how many messages
// they are.
func fetchAll(b *testing.B, codec string, use func(records []byte) (n int, next int64)) {
	f, id := benchFetcher(b, codec)
	b.ReportAllocs()
	offset, n := int64(0), 0
	start, cpu := time.Now(), cpuTime(b)
	b.ResetTimer()
	for n < b.N {
		if err := f.fetch(context.Background(), []wanted{{topic: "t", id: id, offset: offset}}); err != nil {
			b.Fatal(err)
		}
		var part fetched
		for {
			more, err := f.next(&part)
			if err != nil {
				b.Fatal(err)
			}
			if !more {
				break
			}
			got, next := use(part.records)
			n, offset = n+got, next
		}
	}
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(n), "cpu-ns/msg")
	b.ReportMetric(float64(n)/time.Since(start).Seconds(), "msgs/s")
}

// BenchmarkFetch fetches and decodes messages of 246 bytes: CRC, decompression, every record's offset, key
// and value. The broker is kfake in a process of its own.
func BenchmarkFetch(b *testing.B) {
	for _, codec := range []string{"none", "lz4", "zstd"} {
		b.Run("codec="+codec, func(b *testing.B) {
			var r reader
			fetchAll(b, codec, func(data []byte) (n int, next int64) {
				for len(data) > 0 {
					batch, rest, err := nextBatch(data)
					if err != nil {
						break // cut by the answer's limit
					}
					messages, err := r.read(&batch)
					if err != nil {
						b.Fatal(err)
					}
					n, next, data = n+len(messages), batch.next(), rest
					r.reset()
				}
				return n, next
			})
		})
	}
}

// BenchmarkFetchFloor is the transfer alone: the answers are read into memory and the batches counted.
func BenchmarkFetchFloor(b *testing.B) {
	fetchAll(b, "none", func(data []byte) (n int, next int64) {
		for len(data) >= batchHeader {
			whole := batchStart + int(uint32(data[8])<<24|uint32(data[9])<<16|uint32(data[10])<<8|uint32(data[11]))
			if whole > len(data) {
				break
			}
			next += benchMessages
			n += benchMessages
			data = data[whole:]
		}
		return n, next
	})
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
