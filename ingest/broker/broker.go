// Package broker is the embedded MQTT broker: publishes of cars and gateways go in, records for the Sink
// come out, and a publish of QoS 1 is acknowledged when its record is durable (E4).
//
// It is a way in and nothing else. Clients that have said who they are, by certificate or password, publish,
// a vehicle under its own id only; subscriptions are refused, retained flags and
// sessions keep nothing, QoS 2 closes the connection. MQTT itself is spoken by mochi; this package owns
// the listener, the connections and every acknowledgement.
//
// The way of a message:
//
//	car ─▶ conn.Read ─▶ mochi decodes ─▶ hook.OnPublish ─▶ conn.take ─▶ Sink.Take ─▶ log
//	car ◀── conn.writeAcks (one write a group) ◀── window, in order ◀── conn.Acked ◀── synced
package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"golang.org/x/sync/semaphore"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/limitlog"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

// Broker takes MQTT publishes into a Sink.
//
// It promises: a PUBACK is written only after Acker.Acked without error for every record of its message,
// in the order the messages of the connection came, and only on that connection; a message that was not
// acknowledged is sent again by its client. A client that does not read its acknowledgements delays
// nobody else. What waits for its sync is bounded per connection; at the bound, and while the Sink
// blocks, connections are not read.
//
// Methods may be called concurrently; Listen and Run once each.
type Broker struct {
	opts     Options
	routes   receive.Routes
	log      *limitlog.Logger[cause]
	counters counters

	listener net.Listener
	server   *mqtt.Server
	large    *semaphore.Weighted // memory of large packets, see frames

	mu        sync.Mutex
	conns     map[*conn]struct{}
	pending   pending
	offenders map[string]uint64 // messages by client
	stopping  bool
	handlers  sync.WaitGroup // the goroutines of connections
}

// New checks the options. It opens nothing and starts nothing.
func New(opts Options) (*Broker, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	rs, err := receive.NewRoutes(opts.Topics, opts.Codecs)
	if err != nil {
		return nil, err
	}
	return &Broker{
		opts:   opts,
		routes: rs,
		log:    limitlog.New(opts.Logger, causes),
		large:  semaphore.NewWeighted(largeBudget),
		conns:  make(map[*conn]struct{}),

		pending:   pending{from: make(map[netip.Addr]int)},
		offenders: make(map[string]uint64),
	}, nil
}

// Listen binds the address; the error of a busy port is syscall.EADDRINUSE inside. Connections wait
// until Run accepts them. A broker that listens must be Run, or closed by Close.
func (b *Broker) Listen() error {
	l, err := net.Listen("tcp", b.opts.Listen)
	if err != nil {
		return fmt.Errorf("mqtt listen %q: %w", b.opts.Listen, err)
	}
	b.listener = l
	return nil
}

// Addr is the address the broker listens on; nil before Listen.
func (b *Broker) Addr() net.Addr {
	if b.listener == nil {
		return nil
	}
	return b.listener.Addr()
}

// Close releases the address of a broker that was never Run.
func (b *Broker) Close() error {
	if b.listener == nil {
		return nil
	}
	return b.listener.Close()
}

// Run serves until the context ends, then takes no further publish, acknowledges what becomes durable
// within DrainTimeout, closes all connections and returns when every goroutine of the broker has ended.
// A Sink.Take that blocks must return by then: the engine tells its Sink to let go when it ends.
func (b *Broker) Run(ctx context.Context) error {
	if b.listener == nil {
		if err := b.Listen(); err != nil {
			return err
		}
	}
	b.server = b.newServer()
	if err := b.server.AddHook(&hook{broker: b}, nil); err != nil {
		return fmt.Errorf("mqtt broker: %w", err)
	}
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("mqtt broker: %w", err)
	}
	err := b.accept(ctx)
	b.drain()
	b.handlers.Wait()
	return errors.Join(err, b.server.Close())
}

// newServer configures mochi to keep nothing: no retained messages, no topic aliases, no queue to speak
// of for outgoing publishes, and a session for an hour at most.
func (b *Broker) newServer() *mqtt.Server {
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClients = math.MaxInt64 // the listener counts
	c.MaximumClientWritesPending = 4
	c.MaximumSessionExpiryInterval = 3600
	c.MaximumPacketSize = ingest.MaxPacket
	c.ReceiveMaximum = uint16(b.opts.Window)
	c.TopicAliasMaximum = 0
	c.SharedSubAvailable, c.WildcardSubAvailable, c.SubIDAvailable = 0, 0, 0
	c.MaximumQos = 1
	c.RetainAvailable = 0
	const never = 365 * 24 * 3600
	return mqtt.New(&mqtt.Options{
		Capabilities:            c,
		ClientNetReadBufferSize: 8 << 10,
		Logger:                  mochiLog(b.log),
		SysTopicResendInterval:  never,
	})
}

// drain takes no further publish, waits until those taken are acknowledged or DrainTimeout has passed,
// and closes the connections.
func (b *Broker) drain() {
	b.mu.Lock()
	b.stopping = true
	conns := slices.Collect(maps.Keys(b.conns))
	b.mu.Unlock()

	var timedOut atomic.Bool
	timer := time.AfterFunc(b.opts.DrainTimeout, func() {
		timedOut.Store(true)
		closeAll(conns) // ends the waits below
	})
	defer timer.Stop()
	for _, c := range conns {
		c.window.Drain()
	}
	for _, c := range conns {
		c.window.AwaitDrained()
	}
	if timedOut.Load() {
		b.log.Warn(causeDrain).Msg("mqtt broker stopped before everything taken was durable; clients send again what was not acknowledged")
	}
	closeAll(conns)
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		c.Close()
	}
}
