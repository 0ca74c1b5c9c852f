package broker

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	benchWindow  = 20
	benchPayload = 254
)

// BenchmarkPublishToAck is QoS 1 from publish to PUBACK with a sync of one millisecond, beside the
// cheapest program that could do it: a server that cuts packets out of the stream, counts them and
// answers four bytes each. The clients run in the same process and on the same cores; cpu-us/msg is the
// whole process.
func BenchmarkPublishToAck(b *testing.B) {
	for _, conns := range []int{50, 1000} {
		b.Run(fmt.Sprintf("broker/conns=%d", conns), func(b *testing.B) {
			sink := newAutoSink(b, time.Millisecond)
			br, _ := start(b, Options{Sink: sink})
			publishAll(b, br.Addr().String(), conns)
		})
		b.Run(fmt.Sprintf("floor/conns=%d", conns), func(b *testing.B) {
			publishAll(b, startFloor(b), conns)
		})
	}
}

func publishAll(b *testing.B, addr string, conns int) {
	clients := make([]*benchClient, conns)
	for i := range clients {
		clients[i] = newBenchClient(b, addr, i)
	}
	each := (b.N + conns - 1) / conns
	before := cpuTime()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() { c.run(b, each) })
	}
	wg.Wait()
	b.StopTimer()
	cpu := cpuTime() - before
	var lat []time.Duration
	for _, c := range clients {
		lat = append(lat, c.latencies...)
		c.Close()
	}
	slices.Sort(lat)
	n := float64(each * conns)
	b.ReportMetric(n/b.Elapsed().Seconds(), "acked/s")
	b.ReportMetric(float64(cpu.Microseconds())/n, "cpu-us/msg")
	b.ReportMetric(float64(lat[len(lat)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(lat[len(lat)*99/100].Microseconds()), "p99-us")
}

func cpuTime() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		panic(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// benchClient sends a window of publishes in one write and reads their acknowledgements.
type benchClient struct {
	net.Conn
	r         *bufio.Reader
	batch     []byte
	latencies []time.Duration
}

func newBenchClient(b *testing.B, addr string, i int) *benchClient {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	c := &benchClient{Conn: nc, r: bufio.NewReader(nc)}
	id := fmt.Sprint("bench", i)
	if _, err := nc.Write(frame(0x10, append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60}, str(id)...))); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(c.r, make([]byte, 4)); err != nil {
		b.Fatal(err)
	}
	topic, payload := fmt.Sprintf("vehicles/V%d/telemetry", i), strings.Repeat("x", benchPayload)
	for j := 1; j <= benchWindow; j++ {
		c.batch = append(c.batch, publish(topic, 1, j, payload)...)
	}
	return c
}

func (c *benchClient) run(b *testing.B, n int) {
	acks := make([]byte, 4*benchWindow)
	size := len(c.batch) / benchWindow
	for n > 0 {
		k := min(n, benchWindow)
		sent := time.Now()
		if _, err := c.Write(c.batch[:k*size]); err != nil {
			b.Error(err)
			return
		}
		if _, err := io.ReadFull(c.r, acks[:4*k]); err != nil {
			b.Error(err)
			return
		}
		c.latencies = append(c.latencies, time.Since(sent))
		for j := range k {
			if id := binary.BigEndian.Uint16(acks[4*j+2:]); acks[4*j] != 0x40 || int(id) != j+1 {
				b.Errorf("acknowledgement %x, expected id %d", acks[4*j:4*j+4], j+1)
				return
			}
		}
		n -= k
	}
}

// startFloor serves the floor until the benchmark ends.
func startFloor(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serveFloor(nc) })
		}
	})
	b.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func serveFloor(nc net.Conn) {
	defer nc.Close()
	r := bufio.NewReaderSize(nc, 8<<10)
	packet := make([]byte, 1<<10)
	var acks []byte
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return
		}
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return
		}
		if _, err := io.ReadFull(r, packet[:n]); err != nil {
			return
		}
		if kind == 0x10 {
			acks = append(acks, 0x20, 2, 0, 0)
		} else {
			topic := 2 + int(binary.BigEndian.Uint16(packet))
			acks = append(acks, 0x40, 2, packet[topic], packet[topic+1])
		}
		if r.Buffered() > 0 {
			continue
		}
		if _, err := nc.Write(acks); err != nil {
			return
		}
		acks = acks[:0]
	}
}
