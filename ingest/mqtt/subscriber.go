package mqtt

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/milepost-io/milepost/ingest/limitlog"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

// Subscriber takes publishes from a broker of others into a Sink.
//
// It promises: a message of QoS 1 is acknowledged only after Acker.Acked without error for every record of it,
// in the order the messages of the connection came, and only on that connection; the broker keeps what was
// not acknowledged, and what arrives while nobody is connected, in a session that no stop ends. Messages that
// come under one filter come in the broker's order, unless Share is set. A broker that cannot be reached or
// refuses is tried again for ever, after random pauses that grow to RetryMax.
//
// What it cannot promise: what a broker drops of its own queue (most bound it), keeps in memory only, or
// repeats out of order after a lost connection.
//
// Stats may be called concurrently with Run; Run once.
type Subscriber struct {
	opts        SubscriberOptions
	address     brokerAddress
	routes      receive.Routes
	log         *limitlog.Logger[cause]
	counters    counters
	connections []*connection

	waitingFor atomic.Int64  // connections that have not subscribed yet
	subscribed chan struct{} // closed when each has, once
}

// NewSubscriber checks the options. It connects to nothing.
func NewSubscriber(opts SubscriberOptions) (*Subscriber, error) {
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	address, err := parseAddress(opts.URL)
	if err != nil {
		return nil, err
	}
	routes, err := receive.NewRoutes(opts.Topics, opts.Codecs)
	if err != nil {
		return nil, err
	}
	s := &Subscriber{opts: opts, address: address, routes: routes, log: limitlog.New(opts.Logger, causes), subscribed: make(chan struct{})}
	s.waitingFor.Store(int64(opts.Connections))
	for i := range opts.Connections {
		s.connections = append(s.connections, s.newConnection(i))
	}
	return s, nil
}

// newConnection gives connection i its name and its filters.
func (s *Subscriber) newConnection(i int) *connection {
	c := &connection{sub: s, id: s.opts.ClientID}
	if i > 0 {
		c.id = fmt.Sprintf("%s-%d", s.opts.ClientID, i+1)
	}
	for k, t := range s.opts.Topics {
		switch {
		case s.opts.Share != "":
			c.filters = append(c.filters, "$share/"+s.opts.Share+"/"+t.Filter)
			c.foreign = append(c.foreign, t.Filter)
		case k%s.opts.Connections == i:
			c.filters = append(c.filters, t.Filter)
		default:
			c.foreign = append(c.foreign, t.Filter)
		}
	}
	return c
}

// Run subscribes until the context ends. Then it takes no further message, acknowledges what becomes durable
// within DrainTimeout, leaves the sessions to the broker and returns when every connection has ended. A
// Sink.Take that blocks must return by then: the engine tells its Sink to let go when it ends.
func (s *Subscriber) Run(ctx context.Context) error {
	if s.opts.Share != "" && s.opts.Connections > 1 {
		s.opts.Logger.Warn().Str("share", s.opts.Share).Int("connections", s.opts.Connections).
			Msg("mqtt.connect.share spreads every topic over the connections: messages of one car may overtake each other; overtaken samples count as late")
	}
	var wg sync.WaitGroup
	for _, c := range s.connections {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
	return nil
}

// Address is where the broker is, host:port.
func (s *Subscriber) Address() string { return s.address.addr }

// Encrypted reports whether the connections speak TLS.
func (s *Subscriber) Encrypted() bool { return s.address.tls || s.opts.TLS != nil }

// SubscriberStats are the counters of a Subscriber since it was made. Connected and Waiting are gauges.
type SubscriberStats struct {
	// Connections there are to be, Connected of them are subscribed at this moment.
	Connections, Connected int
	// Taken counts messages handed to the Sink, Records the records they were split into, Acked the
	// acknowledgements written; Waiting are messages taken and not acknowledged.
	Taken, Records, Acked uint64
	Waiting               int
	// Reconnects counts connections made after the first of each; Failures attempts and connections that
	// failed, Refused those of them that the broker, or TLS, refused, and refused subscriptions.
	Reconnects, Failures, Refused uint64
	// Unmatched counts messages whose topic no filter matches; Oversize those cut at ingest.MaxPayload;
	// Retained those that the broker had kept from before the subscription; Redelivered those it says to
	// have sent before; Reused those under a packet id that was still in use.
	Unmatched, Oversize, Retained, Redelivered, Reused uint64
	// StaleAcks counts messages that became durable after their connection had gone.
	StaleAcks uint64
	// Trouble says what is wrong now, by connection; "" is nothing.
	Trouble string
}

type counters struct {
	taken, records, acked, reconnects, failures, refused          atomic.Uint64
	unmatched, oversize, retained, redelivered, reused, staleAcks atomic.Uint64
}

// Stats returns the counters as they stand.
func (s *Subscriber) Stats() SubscriberStats {
	c := &s.counters
	st := SubscriberStats{
		Connections: len(s.connections),
		Taken:       c.taken.Load(), Records: c.records.Load(), Acked: c.acked.Load(),
		Reconnects: c.reconnects.Load(), Failures: c.failures.Load(), Refused: c.refused.Load(),
		Unmatched: c.unmatched.Load(), Oversize: c.oversize.Load(), Retained: c.retained.Load(),
		Redelivered: c.redelivered.Load(), Reused: c.reused.Load(), StaleAcks: c.staleAcks.Load(),
	}
	var trouble []string
	for _, conn := range s.connections {
		connected, waiting, reused, text := conn.status()
		if connected {
			st.Connected++
		}
		st.Waiting += waiting
		st.Reused += reused
		if text != "" && !slices.Contains(trouble, text) {
			trouble = append(trouble, text)
		}
	}
	st.Trouble = strings.Join(trouble, "; ")
	return st
}
