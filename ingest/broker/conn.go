package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

var errConnClosed = errors.New("connection closed")

// conn is one client's connection: mochi reads and writes it as a net.Conn, and it is the Acker of the
// messages it brought. An acknowledgement therefore cannot reach any other connection, however late it
// comes and whatever packet ids a new connection of the same client uses.
//
// Two goroutines belong to a conn: the handler, which reads and takes, and the writer of acknowledgements,
// which the handler starts with the first message and waits for.
type conn struct {
	net.Conn          // what mochi speaks on: TLS or the socket itself
	socket   net.Conn // what is closed: ending TLS in form may wait for the client
	broker   *Broker
	from     netip.Addr
	pending  bool            // it has not said who it is; guarded by Broker.mu
	refused  bool            // credentials were wrong; the handler's own
	ctx      context.Context // ends with the connection
	cancel   context.CancelFunc
	frames   frames
	intake   intake
	window   *receive.Window

	writer  sync.WaitGroup
	writing bool // the writer was started

	mu  sync.Mutex
	who client // set once, by the handler, which therefore reads it without the lock
}

func newConn(b *Broker, nc net.Conn) *conn {
	c := &conn{Conn: nc, socket: nc, broker: b, window: receive.NewWindow(b.opts.Window)}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.from = a.AddrPort().Addr().Unmap()
	}
	if b.opts.TLS != nil {
		c.Conn = tls.Server(nc, b.opts.TLS)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// reserve admits a message and, with QoS 1, adds it to the end of the window and returns the id it is
// acknowledged by. It waits while the window is full, which keeps the connection from being read, and
// while the broker drains.
func (c *conn) reserve(m message) (uint64, error) {
	var seq uint64
	var ok bool
	if m.qos == 0 {
		ok = c.window.Admit()
	} else {
		seq, ok = c.window.Reserve(receive.Puback, m.packetID)
	}
	if !ok {
		return 0, errConnClosed
	}
	if m.qos > 0 && !c.writing {
		c.writing = true
		c.writer.Go(c.writeAcks)
	}
	return seq, nil
}

// Acked marks a message durable. An error means the log is dead: the connection ends and nothing more is
// acknowledged on it (E4).
func (c *conn) Acked(seq uint64, err error) {
	if err != nil && c.end() {
		return
	}
	if !c.window.Durable(seq) {
		c.broker.counters.staleAcks.Add(1)
	}
}

// writeAcks writes what has become durable until the connection ends.
func (c *conn) writeAcks() {
	err := c.window.Write(func(acks []byte, n int) error {
		if _, err := c.Write(acks); err != nil {
			return err
		}
		c.broker.counters.acked.Add(uint64(n))
		return nil
	})
	if err == nil {
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.broker.counters.slowClosed.Add(1)
		c.broker.log.Warn(causeSlow).Stringer("remote", c.RemoteAddr()).
			Msg("mqtt client does not read its acknowledgements; connection closed")
	}
	c.Close()
}

// Close ends the connection for both goroutines. It may be called more than once.
func (c *conn) Close() error {
	c.end()
	return nil
}

// end reports whether the connection was open.
func (c *conn) end() bool {
	if !c.window.Close() {
		return false
	}
	c.cancel()
	c.socket.Close()
	return true
}

// Write bounds every write, mochi's too: a client that does not read is closed, it holds up nobody.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.broker.opts.WriteTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetDeadline is mochi's keep-alive; it is about what the client sends, so writes are left out of it.
func (c *conn) SetDeadline(t time.Time) error {
	return c.SetReadDeadline(t)
}
