package broker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a broker for the length of a test. stop ends it and returns what Run returned.
func start(t testing.TB, opts Options) (b *Broker, stop func() error) {
	t.Helper()
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.Codecs == nil {
		opts.Codecs = commas()
	}
	opts.Logger = zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	b, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var runErr error
	go func() { defer close(done); runErr = b.Run(ctx) }()
	stop = func() error { cancel(); <-done; return runErr }
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return b, stop
}

// rawClient speaks MQTT by the byte, for what a well-behaved library does not do.
type rawClient struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, b *Broker) *rawClient {
	t.Helper()
	nc, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &rawClient{t, nc, bufio.NewReader(nc)}
}

func connect(t testing.TB, b *Broker, id string) *rawClient {
	t.Helper()
	c := dial(t, b)
	c.send(frame(0x10, append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60}, str(id)...)))
	if kind, body := c.packet(); kind != 0x20 || body[1] != 0 {
		t.Fatalf("connack: got %x %x", kind, body)
	}
	return c
}

func (c *rawClient) send(p []byte) {
	c.t.Helper()
	if _, err := c.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

// packet reads one packet: its first byte and its body.
func (c *rawClient) packet() (byte, []byte) {
	c.t.Helper()
	kind, body, err := c.readPacket()
	if err != nil {
		c.t.Fatal(err)
	}
	return kind, body
}

func (c *rawClient) readPacket() (byte, []byte, error) {
	kind, err := c.r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(c.r)
	if err != nil {
		return 0, nil, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(c.r, body)
	return kind, body, err
}

// acks reads n PUBACKs and returns their packet ids.
func (c *rawClient) acks(n int) []int {
	c.t.Helper()
	var ids []int
	for range n {
		kind, body := c.packet()
		if kind != 0x40 || len(body) != 2 {
			c.t.Fatalf("got packet %x %x, expected a PUBACK", kind, body)
		}
		ids = append(ids, int(binary.BigEndian.Uint16(body)))
	}
	return ids
}

// ping proves that the broker has handled everything sent before it, and written nothing else meanwhile.
func (c *rawClient) ping() {
	c.t.Helper()
	c.send([]byte{0xc0, 0})
	if kind, body := c.packet(); kind != 0xd0 {
		c.t.Fatalf("got packet %x %x, expected only a PINGRESP", kind, body)
	}
}

// closed returns when the broker has closed the connection.
func (c *rawClient) closed() {
	c.t.Helper()
	for {
		if _, _, err := c.readPacket(); err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				c.t.Fatal("connection is still open")
			}
			return
		}
	}
}

func str(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func frame(kind byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...)
}

// publish is a PUBLISH; flags may hold the retain bit.
func publish(topic string, qos byte, id int, payload string) []byte {
	body := str(topic)
	if qos > 0 {
		body = binary.BigEndian.AppendUint16(body, uint16(id))
	}
	return frame(0x30|qos<<1, append(body, payload...))
}

// commas is a codec of entries in brackets, "[a,b]"; an entry "k:…" names the key k.
func commas() map[string]Codec {
	return map[string]Codec{"json": {
		IsBatch: func(p []byte) bool { return len(p) > 0 && p[0] == '[' },
		Split: func(p []byte, yield func(json.Entry) error) error {
			if len(p) > 0 && p[0] == '[' {
				if p[len(p)-1] != ']' || len(p) == 2 {
					return errors.New("not an array")
				}
				p = p[1 : len(p)-1]
			}
			for e := range bytes.SplitSeq(p, []byte(",")) {
				entry := json.Entry{Payload: e}
				if k, _, ok := bytes.Cut(e, []byte(":")); ok {
					entry.Key, entry.Party = k, k[0] == 'O'
				}
				if err := yield(entry); err != nil {
					return err
				}
			}
			return nil
		},
	}}
}

var telemetry = ingest.TypeSet(ingest.Telemetry)
