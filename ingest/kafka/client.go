package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Cluster says where a Kafka cluster is and who we are there. The zero values of TLS and SASL are a plain
// connection without a user.
type Cluster struct {
	// Brokers are addresses to begin with, "host:port"; the cluster tells the others.
	Brokers []string
	// TLS secures every connection; nil: none. An empty ServerName is each broker's host name.
	TLS  *tls.Config
	SASL SASL
	// ClientID is what we call ourselves in the brokers' logs; default "milepost".
	ClientID string
}

// SASL is a user of the cluster.
type SASL struct {
	// Mechanism is "plain", "scram-sha-256" or "scram-sha-512"; empty: no user.
	Mechanism          string
	Username, Password string
}

const (
	// dialTimeout bounds making a connection with TLS and SASL.
	dialTimeout = 5 * time.Second
	// layoutTTL is how old the transport's picture of brokers may be.
	layoutTTL = 5 * time.Second
	// idleTimeout closes connections that nobody used for that long; brokers do so after minutes.
	idleTimeout = 30 * time.Second
)

func (c *Cluster) validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("kafka: no brokers")
	}
	for _, b := range c.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			return fmt.Errorf("kafka: broker %q is no address (expected host:port)", b)
		}
	}
	_, err := c.mechanism()
	return err
}

// mechanism is the SASL mechanism, nil without a user.
func (c *Cluster) mechanism() (sasl.Mechanism, error) {
	switch s := c.SASL; s.Mechanism {
	case "":
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: s.Username, Password: s.Password}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, s.Username, s.Password)
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, s.Username, s.Password)
	default:
		return nil, fmt.Errorf("kafka: SASL mechanism %q (expected plain, scram-sha-256 or scram-sha-512)", s.Mechanism)
	}
}

func (c *Cluster) clientID() string {
	if c.ClientID == "" {
		return "milepost"
	}
	return c.ClientID
}

// client is a kafka.Client whose connections and goroutines end with close, also those that wait for an
// answer.
type client struct {
	*kafka.Client
	transport *kafka.Transport
	conns     conns
	cancel    context.CancelFunc
}

// client makes a client that keeps the layout of these topics: without names it would load that of every
// topic of the cluster, again and again.
func (c *Cluster) client(topics []string) (*client, error) {
	mechanism, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cl := &client{cancel: cancel}
	cl.transport = &kafka.Transport{
		Dial: cl.conns.dial, DialTimeout: dialTimeout, IdleTimeout: idleTimeout, MetadataTTL: layoutTTL, MetadataTopics: topics,
		ClientID: c.clientID(), TLS: c.TLS, SASL: mechanism, Context: ctx,
	}
	cl.Client = &kafka.Client{Addr: kafka.TCP(c.Brokers...), Timeout: requestTimeout, Transport: cl.transport}
	return cl, nil
}

// requestTimeout bounds a round trip that does not wait for records.
const requestTimeout = 10 * time.Second

func (c *client) close() {
	c.transport.CloseIdleConnections()
	c.cancel()
	c.conns.close()
}

// dialer makes the connections of a kafka.ConsumerGroup. conns ends them.
func (c *Cluster) dialer(conns *conns) (*kafka.Dialer, error) {
	mechanism, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	return &kafka.Dialer{ClientID: c.clientID(), Timeout: dialTimeout, DialFunc: conns.dial, TLS: c.TLS, SASLMechanism: mechanism}, nil
}

// conns are open connections, so that they can be ended together. The zero value is ready.
type conns struct {
	mu     sync.Mutex
	open   map[*trackedConn]struct{}
	closed bool
}

func (cs *conns) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &trackedConn{Conn: nc, set: cs}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		_ = nc.Close()
		return nil, net.ErrClosed
	}
	if cs.open == nil {
		cs.open = map[*trackedConn]struct{}{}
	}
	cs.open[c] = struct{}{}
	return c, nil
}

// close ends the open connections and refuses new ones.
func (cs *conns) close() {
	cs.mu.Lock()
	cs.closed = true
	open := cs.open
	cs.open = nil
	cs.mu.Unlock()
	for c := range open {
		_ = c.Conn.Close()
	}
}

type trackedConn struct {
	net.Conn
	set *conns
}

func (c *trackedConn) Close() error {
	c.set.mu.Lock()
	delete(c.set.open, c)
	c.set.mu.Unlock()
	return c.Conn.Close()
}
