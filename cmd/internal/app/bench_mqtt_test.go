package app

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest/broker"
	"github.com/milepost-io/milepost/ingest/fleet"
	"github.com/milepost-io/milepost/state/log/journal"
)

const (
	mqttConns  = 50
	mqttWindow = 20
	// mqttClients names the broker to the process of the clients.
	mqttClients = "MILEPOST_BENCH_MQTT"
)

// TestMain is the process of the MQTT clients, of the broker of others or of the Kafka broker, when it was
// started as that: their work must not count as the engine's.
func TestMain(m *testing.M) {
	var err error
	switch addr, inflight := os.Getenv(mqttClients), os.Getenv(benchBroker); {
	case addr != "":
		err = runClients(addr)
	case inflight != "":
		var n int
		if n, err = strconv.Atoi(inflight); err == nil {
			err = runBroker(n)
		}
	case os.Getenv(kafkaServer) != "":
		err = serveKafka()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// BenchmarkMQTT is QoS 1 from publish to PUBACK over 50 connections, with the journal and its sync
// beneath. An operation is a message; cpu-us/msg is of the broker's process, without the clients'.
func BenchmarkMQTT(b *testing.B) {
	j, err := journal.Open(journal.Options{Dir: b.TempDir(), Shards: journal.Shards{Events: benchShards, Notices: benchShards}, Keep: time.Minute, MaxBytes: 1 << 30, Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	in := newIntake(j, WallClock(time.Now, 0))
	close(in.open)
	br, err := broker.New(broker.Options{Listen: "127.0.0.1:0", Sink: in, Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	if err := br.Listen(); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- br.Run(ctx) }()
	publishAll(b, br.Addr().String())
	s := j.Stats()
	b.ReportMetric(float64(s.Syncs.Quantile(0.99).Microseconds()), "p99-sync-us")
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	if got := j.Received(); got < uint64(b.N) {
		b.Errorf("%d messages in the journal, expected %d", got, b.N)
	}
}

// BenchmarkMQTTFloor is the cheapest server that can answer: it cuts packets out of the stream and sends
// four bytes for each. Nothing is kept and nothing synced.
func BenchmarkMQTTFloor(b *testing.B) {
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
	publishAll(b, l.Addr().String())
	l.Close()
	wg.Wait()
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
		if kind == mqttConnect {
			acks = append(acks, 0x20, 2, 0, 0)
		} else {
			topic := 2 + int(binary.BigEndian.Uint16(packet))
			acks = append(acks, mqttPuback, 2, packet[topic], packet[topic+1])
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

// publishAll has the clients publish b.N messages and reports what came of it.
func publishAll(b *testing.B, addr string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), mqttClients+"="+addr)
	cmd.Stderr = os.Stderr
	to, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	from, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	answers := bufio.NewReader(from)
	if _, err := answers.ReadString('\n'); err != nil { // connected
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime(b)
	fmt.Fprintln(to, b.N)
	var p50, p99 float64
	_, err = fmt.Fscan(answers, &p50, &p99)
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1000/float64(b.N), "cpu-us/msg")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	b.ReportMetric(p50, "p50-us")
	b.ReportMetric(p99, "p99-us")
	to.Close()
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
}

// Packet types of MQTT 3.1.1, with their flags.
const (
	mqttConnect  = 0x10
	mqttPublish1 = 0x32 // QoS 1
	mqttPuback   = 0x40
)

// runClients connects, says so, publishes as many messages as standard input asks for and prints the
// quantiles of publish to PUBACK in microseconds.
func runClients(addr string) error {
	clients := make([]*mqttClient, mqttConns)
	for i := range clients {
		c, err := newMQTTClient(addr, i)
		if err != nil {
			return err
		}
		defer c.Close()
		clients[i] = c
	}
	fmt.Println("connected")
	var n int
	if _, err := fmt.Scan(&n); err != nil {
		return err
	}
	errs := make(chan error, len(clients))
	for i, c := range clients {
		go func() { errs <- c.run((n + i) / mqttConns) }()
	}
	var latencies []time.Duration
	for range clients {
		if err := <-errs; err != nil {
			return err
		}
	}
	for _, c := range clients {
		latencies = append(latencies, c.latencies...)
	}
	slices.Sort(latencies)
	if len(latencies) == 0 {
		latencies = []time.Duration{0}
	}
	fmt.Println(latencies[len(latencies)/2].Microseconds(), latencies[len(latencies)*99/100].Microseconds())
	_, _ = fmt.Scanln() // keep the connections until the figures are taken
	return nil
}

// mqttClient sends a window of publishes in one write and reads their acknowledgements.
type mqttClient struct {
	net.Conn
	r         *bufio.Reader
	batch     []byte
	latencies []time.Duration
}

func newMQTTClient(addr string, i int) (*mqttClient, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &mqttClient{Conn: nc, r: bufio.NewReader(nc)}
	connect := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60}, mqttString(fmt.Sprint("bench", i))...)
	if _, err := nc.Write(mqttFrame(mqttConnect, connect)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c.r, make([]byte, 4)); err != nil {
		return nil, err
	}
	filler := fleet.NewFiller(benchCars, uint64(i), time.Now(), time.Millisecond)
	for id := byte(1); id <= mqttWindow; id++ {
		vin, payload := filler.Next()
		body := append(mqttString("vehicles/"+string(vin)+"/telemetry"), 0, id)
		c.batch = append(c.batch, mqttFrame(mqttPublish1, append(body, payload...))...)
	}
	return c, nil
}

func mqttString(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func mqttFrame(kind byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...)
}

func (c *mqttClient) run(n int) error {
	acks := make([]byte, 4*mqttWindow)
	size := len(c.batch) / mqttWindow
	for n > 0 {
		k := min(n, mqttWindow)
		sent := time.Now()
		if _, err := c.Write(c.batch[:k*size]); err != nil {
			return err
		}
		if _, err := io.ReadFull(c.r, acks[:4*k]); err != nil {
			return err
		}
		c.latencies = append(c.latencies, time.Since(sent))
		for i := range k {
			if a := acks[4*i : 4*i+4]; a[0] != mqttPuback || int(a[3]) != i+1 {
				return fmt.Errorf("acknowledgement %x, expected id %d", a, i+1)
			}
		}
		n -= k
	}
	return nil
}
