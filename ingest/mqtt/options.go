package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

// SubscriberOptions say what a Subscriber takes from which broker.
type SubscriberOptions struct {
	// URL of the broker: "mqtt://host:1883" or "tcp://…", with TLS "tls://host:8883", "ssl://…" or "mqtts://…".
	// A missing port is the usual one.
	URL string
	// ClientID is the name under which the broker keeps what arrives while nobody is connected. The first
	// connection has it, connection n of several ClientID-n: going from one to several leaves nothing behind.
	ClientID string
	// Connections is how many connections there are, 1 (default) to 64. Each has every n-th filter of Topics, so
	// that what comes under a filter comes by one connection and in order; so there may not be more of them than
	// filters, unless Share is set.
	Connections int
	// Share is the group of a shared subscription: the broker spreads each filter over all connections. Two
	// messages of one car may then come by different connections and overtake each other.
	Share string
	// Username and Password are for the broker; Password is asked at each attempt to connect, so that it can be
	// mended while the engine runs. nil: none.
	Username string
	Password func() (string, error)
	// TLS is how a TLS connection is made; nil takes the system's authorities for an address that asks for TLS.
	// Without a ServerName it is the host of URL.
	TLS *tls.Config
	// Topics are the filters to subscribe to. They are asked in order, the first that matches wins. None:
	// receive.DefaultTopics.
	Topics []receive.Topic
	// Codecs are what the codecs named by Topics know of batches and keys; default: receive.DefaultCodecs.
	Codecs map[string]receive.Codec
	// Sink takes the records. Required.
	Sink ingest.Sink
	// Source is the name of this way in, as people read it in dead letters; default "mqtt".
	Source string
	// Window is how many messages of one connection may wait for their sync; at the bound the connection is not
	// read. 1 to 65535, default 4096. Brokers have a bound of their own, usually far below.
	Window int
	// Patience is how long the Sink may keep a message waiting before the connection is given up; default 20 s.
	Patience time.Duration
	// RetryMin and RetryMax bound the pause between attempts to connect, before jitter; default 1 s and 30 s.
	RetryMin, RetryMax time.Duration
	// KeepAlive is how often the broker must be heard; silent for twice as long, it is taken for dead. Whole
	// seconds, default 30 s.
	KeepAlive time.Duration
	// DrainTimeout is how long Run waits, after its context ended, for messages taken to become durable so that
	// they can be acknowledged; default 3 s.
	DrainTimeout time.Duration
	Logger       zerolog.Logger
}

func (o *SubscriberOptions) setDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Patience, 20*time.Second)
	def(&o.RetryMin, time.Second)
	def(&o.RetryMax, 30*time.Second)
	def(&o.KeepAlive, 30*time.Second)
	def(&o.DrainTimeout, 3*time.Second)
	if o.Connections == 0 {
		o.Connections = 1
	}
	if len(o.Topics) == 0 {
		o.Topics = receive.DefaultTopics()
	}
	if o.Codecs == nil {
		o.Codecs = receive.DefaultCodecs()
	}
	if o.Source == "" {
		o.Source = "mqtt"
	}
	if o.Window == 0 {
		o.Window = 4096
	}
}

func (o *SubscriberOptions) validate() error {
	switch {
	case o.Sink == nil:
		return errors.New("mqtt subscriber: no sink")
	case o.ClientID == "":
		return errors.New("mqtt subscriber: no client id: the broker keeps messages for a client by its id")
	case o.Connections < 1 || o.Connections > 64:
		return fmt.Errorf("mqtt subscriber: %d connections: expected 1 to 64", o.Connections)
	case o.Share == "" && o.Connections > len(o.Topics):
		return fmt.Errorf("mqtt subscriber: %d connections for %d filters: each filter has one connection, so %d would be idle; name more filters, or share them",
			o.Connections, len(o.Topics), o.Connections-len(o.Topics))
	case strings.ContainsAny(o.Share, "/+#"):
		return fmt.Errorf("mqtt subscriber: share %q: expected a name without /, + and #", o.Share)
	case o.Window < 1 || o.Window > 65535:
		return fmt.Errorf("mqtt subscriber: window %d: expected 1 to 65535", o.Window)
	case o.KeepAlive < time.Second || o.KeepAlive%time.Second != 0 || o.KeepAlive > 65535*time.Second:
		return fmt.Errorf("mqtt subscriber: keep-alive %v: expected whole seconds", o.KeepAlive)
	}
	return o.checkOverlap()
}

// checkOverlap refuses several connections whose filters have topics in common: each would get a copy of
// their messages.
func (o *SubscriberOptions) checkOverlap() error {
	if o.Connections == 1 {
		return nil
	}
	for i, a := range o.Topics {
		for _, b := range o.Topics[:i] {
			if receive.Overlap(a.Filter, b.Filter) {
				return fmt.Errorf("mqtt subscriber: filters %q and %q have topics in common: several connections would get each of their messages twice", b.Filter, a.Filter)
			}
		}
	}
	return nil
}

// brokerAddress is where to connect to.
type brokerAddress struct {
	host, addr string
	tls        bool
}

func parseAddress(s string) (a brokerAddress, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return a, fmt.Errorf("mqtt url %q: expected mqtt://host:port or tls://host:port, without a user", s)
	}
	port := "1883"
	switch {
	case slices.Contains([]string{"tls", "ssl", "mqtts"}, u.Scheme):
		a.tls, port = true, "8883"
	case u.Scheme != "mqtt" && u.Scheme != "tcp":
		return a, fmt.Errorf("mqtt url %q: scheme %q: expected mqtt or tls", s, u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	a.host = u.Hostname()
	a.addr = net.JoinHostPort(a.host, port)
	return a, nil
}
