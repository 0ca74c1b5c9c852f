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
	"strconv"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest/fleet"
	"github.com/milepost-io/milepost/ingest/mqtt"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
	"github.com/milepost-io/milepost/state/log/journal"
)

// benchBroker has the process be the broker of a benchmark, with that many messages in flight.
const benchBroker = "MILEPOST_BENCH_BROKER"

// BenchmarkSubscriber is one connection to a broker of the user's, with the journal and its sync beneath;
// inflight is what the broker sends without an acknowledgement (Mosquitto: max_inflight_messages, 20 if
// nobody says otherwise). An operation is a message; cpu-us/msg is without the broker's, which is a process
// of its own.
func BenchmarkSubscriber(b *testing.B) {
	for _, inflight := range []int{20, 1000} {
		b.Run(fmt.Sprintf("inflight=%d", inflight), func(b *testing.B) {
			j, err := journal.Open(journal.Options{Dir: b.TempDir(), Shards: journal.Shards{Events: benchShards, Notices: benchShards}, Keep: time.Minute, MaxBytes: 1 << 30, Logger: zerolog.Nop()})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			in := newIntake(j, WallClock(time.Now, 0))
			close(in.open)
			deliverAll(b, inflight, func(ctx context.Context, url string) error {
				s, err := mqtt.NewSubscriber(mqtt.SubscriberOptions{URL: url, ClientID: "bench", Topics: receive.DefaultTopics()[:1], Sink: in, Logger: zerolog.Nop()})
				if err != nil {
					return err
				}
				return s.Run(ctx)
			})
			if got := j.Received(); got < uint64(b.N) {
				b.Errorf("%d messages in the journal, expected %d", got, b.N)
			}
		})
	}
}

// BenchmarkSubscriberFloor is the library alone: it decodes each publish and acknowledges it at once. Nothing
// is kept and nothing synced.
func BenchmarkSubscriberFloor(b *testing.B) {
	for _, inflight := range []int{20, 1000} {
		b.Run(fmt.Sprintf("inflight=%d", inflight), func(b *testing.B) {
			deliverAll(b, inflight, func(ctx context.Context, url string) error {
				c := paho.NewClient(paho.NewClientOptions().AddBroker(strings.Replace(url, "mqtt://", "tcp://", 1)).SetClientID("bench").SetProtocolVersion(4).
					SetCleanSession(false).SetAutoAckDisabled(true).SetOrderMatters(true).
					SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { m.Ack() }))
				if tok := c.Connect(); tok.Wait() && tok.Error() != nil {
					return tok.Error()
				}
				if tok := c.Subscribe("vehicles/+/telemetry", 1, nil); tok.Wait() && tok.Error() != nil {
					return tok.Error()
				}
				<-ctx.Done()
				c.Disconnect(250)
				return nil
			})
		})
	}
}

// deliverAll has a broker deliver b.N messages to a subscriber and reports what that took.
func deliverAll(b *testing.B, inflight int, subscribe func(ctx context.Context, url string) error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchBroker+"="+strconv.Itoa(inflight))
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
	line := func() string {
		s, err := answers.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		return strings.TrimSpace(s)
	}
	url := line()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- subscribe(ctx, url) }()
	line() // subscribed
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime(b)
	fmt.Fprintln(to, b.N)
	line() // all acknowledged
	b.StopTimer()
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1000/float64(b.N), "cpu-us/msg")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	to.Close()
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
}

// runBroker says where it listens, accepts one subscriber, says so, and delivers as many messages as standard
// input asks for.
func runBroker(inflight int) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("mqtt://" + l.Addr().String())
	nc, err := l.Accept()
	if err != nil {
		return err
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	if _, err := readPacket(r); err != nil { // CONNECT
		return err
	}
	if _, err := nc.Write([]byte{0x20, 2, 0, 0}); err != nil {
		return err
	}
	subscription, err := readPacket(r)
	if err != nil {
		return err
	}
	if _, err := nc.Write([]byte{0x90, 3, subscription[0], subscription[1], 1}); err != nil {
		return err
	}
	fmt.Println("subscribed")
	var n int
	if _, err := fmt.Scan(&n); err != nil {
		return err
	}
	if err := deliver(nc, r, n, inflight); err != nil {
		return err
	}
	fmt.Println("done")
	_, _ = fmt.Scanln() // keep the connection until the figures are taken
	return nil
}

func readPacket(r *bufio.Reader) ([]byte, error) {
	if _, err := r.ReadByte(); err != nil {
		return nil, err
	}
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(r, body)
	return body, err
}

// deliver keeps as many messages in flight as it may, until n are acknowledged in order.
func deliver(w io.Writer, r *bufio.Reader, n, inflight int) error {
	filler := fleet.NewFiller(benchCars, 1, time.Now(), time.Millisecond)
	var out []byte
	sent, acked := 0, 0
	for acked < n {
		out = out[:0]
		for ; sent < n && sent-acked < inflight; sent++ {
			vin, payload := filler.Next()
			body := binary.BigEndian.AppendUint16(mqttString("vehicles/"+string(vin)+"/telemetry"), uint16(sent%60000)+1)
			out = append(out, mqttFrame(mqttPublish1, append(body, payload...))...)
		}
		if len(out) > 0 {
			if _, err := w.Write(out); err != nil {
				return err
			}
		}
		for ack := true; ack; ack = acked < sent && r.Buffered() >= 4 {
			p, err := readPacket(r)
			if err != nil {
				return err
			}
			if len(p) == 0 {
				continue // a ping
			}
			if id := binary.BigEndian.Uint16(p); id != uint16(acked%60000)+1 {
				return fmt.Errorf("acknowledgement of %d, expected %d", id, acked%60000+1)
			}
			acked++
		}
	}
	return nil
}
