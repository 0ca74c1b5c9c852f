package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest"
)

// fakeBroker is a broker by the byte, for what no real one does on demand: each connection is in the hands
// of the test.
type fakeBroker struct {
	t        *testing.T
	listener net.Listener
}

func newFakeBroker(t *testing.T) *fakeBroker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &fakeBroker{t, l}
}

func (f *fakeBroker) url() string { return "mqtt://" + f.listener.Addr().String() }

// fakeConn is a subscriber's connection as the broker sees it.
type fakeConn struct {
	t *testing.T
	net.Conn
	r       *bufio.Reader
	connect []byte // body of the CONNECT
}

const patience30 = 30 * time.Second

// accept takes the next connection and reads its CONNECT.
func (f *fakeBroker) accept() *fakeConn {
	f.t.Helper()
	if err := f.listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience30)); err != nil {
		f.t.Fatal(err)
	}
	nc, err := f.listener.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	return f.greet(nc)
}

// greet reads the CONNECT of a new connection.
func (f *fakeBroker) greet(nc net.Conn) *fakeConn {
	f.t.Helper()
	f.t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience30)); err != nil {
		f.t.Fatal(err)
	}
	c := &fakeConn{t: f.t, Conn: nc, r: bufio.NewReader(nc)}
	kind, body := c.packet()
	if kind != 0x10 {
		f.t.Fatalf("packet %#x, expected CONNECT", kind)
	}
	c.connect = body
	return c
}

// session accepts the connection and answers n subscriptions.
func (f *fakeBroker) session(n int) (c *fakeConn, filters []string) {
	f.t.Helper()
	c = f.accept()
	return c, c.subscriptions(n)
}

// subscriptions answers CONNECT with success and n subscriptions with QoS 1.
func (c *fakeConn) subscriptions(n int) (filters []string) {
	c.t.Helper()
	c.send([]byte{0x20, 2, 1, 0})
	for range n {
		kind, body := c.packet()
		if kind != 0x82 {
			c.t.Fatalf("packet %#x, expected SUBSCRIBE", kind)
		}
		length := int(binary.BigEndian.Uint16(body[2:]))
		if want := 2 + 2 + length + 1; len(body) != want || body[want-1] != 1 {
			c.t.Fatalf("SUBSCRIBE %x, expected one filter of QoS 1", body)
		}
		filters = append(filters, string(body[4:4+length]))
		c.send([]byte{0x90, 3, body[0], body[1], 1})
	}
	return filters
}

func (c *fakeConn) send(p []byte) {
	c.t.Helper()
	if _, err := c.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

func (c *fakeConn) read() (kind byte, body []byte, err error) {
	if kind, err = c.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(c.r)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(c.r, body)
	return kind, body, err
}

// packet reads the next packet that is no ping.
func (c *fakeConn) packet() (byte, []byte) {
	c.t.Helper()
	for {
		kind, body, err := c.read()
		if err != nil {
			c.t.Fatal(err)
		}
		if kind != 0xc0 {
			return kind, body
		}
		c.send([]byte{0xd0, 0})
	}
}

// acks reads n acknowledgements of a kind and returns their packet ids.
func (c *fakeConn) acks(kind byte, n int) (ids []int) {
	c.t.Helper()
	for range n {
		k, body := c.packet()
		if k != kind || len(body) != 2 {
			c.t.Fatalf("packet %#x %x, expected %#x", k, body, kind)
		}
		ids = append(ids, int(binary.BigEndian.Uint16(body)))
	}
	return ids
}

// closed returns what came before the other side closed the connection.
func (c *fakeConn) closed() (kinds []byte) {
	c.t.Helper()
	for {
		kind, _, err := c.read()
		if err != nil {
			if strings.Contains(err.Error(), "timeout") {
				c.t.Fatal("the connection is still open")
			}
			return kinds
		}
		kinds = append(kinds, kind)
	}
}

const dupFlag = 8

// publish is a PUBLISH; flags are QoS<<1, dupFlag and 1 for retained.
func publish(topic string, flags byte, id int, payload string) []byte {
	body := append(binary.BigEndian.AppendUint16(nil, uint16(len(topic))), topic...)
	if flags&6 != 0 {
		body = binary.BigEndian.AppendUint16(body, uint16(id))
	}
	body = append(body, payload...)
	return append(binary.AppendUvarint([]byte{0x30 | flags}, uint64(len(body))), body...)
}

// log is a Sink whose sync is in the test's hands, unless it syncs by itself.
type log struct {
	mu      sync.Mutex
	changed sync.Cond
	recs    []ingest.Record
	acks    []heldAck
	auto    bool
	blocked bool
}

type heldAck struct {
	to ingest.Acker
	id uint64
}

func newLog(auto bool) *log {
	l := &log{auto: auto}
	l.changed.L = &l.mu
	return l
}

func (l *log) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	l.mu.Lock()
	for l.blocked {
		l.changed.Wait()
	}
	for _, r := range recs {
		r.Key, r.Payload = bytes.Clone(r.Key), bytes.Clone(r.Payload)
		l.recs = append(l.recs, r)
	}
	l.acks = append(l.acks, heldAck{ack, id})
	l.changed.Broadcast()
	auto := l.auto
	l.mu.Unlock()
	if auto && ack != nil {
		ack.Acked(id, nil)
	}
	return nil
}

func (l *log) block(on bool) {
	l.mu.Lock()
	l.blocked = on
	l.changed.Broadcast()
	l.mu.Unlock()
}

// await returns the records once n messages have been taken.
func (l *log) await(t *testing.T, n int) []ingest.Record {
	t.Helper()
	timer := time.AfterFunc(patience30, func() { l.changed.Broadcast() })
	defer timer.Stop()
	end := time.Now().Add(patience30)
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.acks) < n {
		if time.Now().After(end) {
			t.Fatalf("%d messages taken, expected %d", len(l.acks), n)
		}
		l.changed.Wait()
	}
	return slices.Clone(l.recs)
}

// sync makes messages durable, by the order in which they were taken.
func (l *log) sync(positions ...int) {
	for _, i := range positions {
		l.mu.Lock()
		a := l.acks[i]
		l.mu.Unlock()
		a.to.Acked(a.id, nil)
	}
}

// subscribe runs a subscriber for the length of a test; stop ends it.
func subscribe(t *testing.T, o SubscriberOptions) (s *Subscriber, out *syncBuffer, stop func()) {
	t.Helper()
	out = &syncBuffer{}
	o.Logger = zerolog.New(out)
	if o.ClientID == "" {
		o.ClientID = "engine"
	}
	if o.RetryMin == 0 {
		o.RetryMin, o.RetryMax = time.Millisecond, 20*time.Millisecond
	}
	s, err := NewSubscriber(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return s, out, stop
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(patience30)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %v: %s", patience30, what)
		}
	}
}
