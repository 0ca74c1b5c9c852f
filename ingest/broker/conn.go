package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"
)

var errConnClosed = errors.New("connection closed")

// conn is one client's connection: mochi reads and writes it as a net.Conn, and it is the Acker of the
// messages it brought. An acknowledgement therefore cannot reach any other connection, however late it
// comes and whatever packet ids a new connection of the same client uses.
//
// The window holds the messages between their being taken and their PUBACK being written, in order of
// receipt; a slot is free again when its PUBACK has been handed to the kernel. Two goroutines belong to a
// conn: the handler, which reads and takes, and the writer of acknowledgements, which the handler starts
// with the first message and waits for.
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
	writer   sync.WaitGroup

	mu    sync.Mutex
	who   client // set once, by the handler, which therefore reads it without the lock
	slots []slot // the window, as a ring; nil until the first message of QoS 1
	// head is the oldest message without a written PUBACK, ready the oldest not durable yet, tail the
	// next to be taken: head ≤ ready ≤ tail ≤ head + len(slots).
	head, ready, tail uint64
	draining, closed  bool
	work              sync.Cond // the writer has something to write, or the end has come
	room              sync.Cond // a slot was freed, or the end has come
}

// slot is one message of the window.
type slot struct {
	packetID uint16
	durable  bool
}

func newConn(b *Broker, nc net.Conn) *conn {
	c := &conn{Conn: nc, socket: nc, broker: b}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.from = a.AddrPort().Addr().Unmap()
	}
	if b.opts.TLS != nil {
		c.Conn = tls.Server(nc, b.opts.TLS)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.work.L, c.room.L = &c.mu, &c.mu
	return c
}

// reserve admits a message and, with QoS 1, adds it to the end of the window and returns the id it is
// acknowledged by. It waits while the window is full, which keeps the connection from being read, and
// while the broker drains.
func (c *conn) reserve(m message) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && (c.draining || m.qos > 0 && c.tail-c.head == uint64(c.broker.opts.Window)) {
		c.room.Wait()
	}
	if c.closed {
		return 0, errConnClosed
	}
	if m.qos == 0 {
		return 0, nil
	}
	if c.slots == nil {
		c.slots = make([]slot, c.broker.opts.Window)
		c.writer.Go(c.writeAcks)
	}
	seq := c.tail
	c.slots[seq%uint64(len(c.slots))] = slot{packetID: m.packetID}
	c.tail++
	return seq, nil
}

// Acked marks a message durable. PUBACKs go out in order of receipt (MQTT-4.6.0-2), while the log
// reports in order per partition; so a message waits for those before it. An error means the log is
// dead: the connection ends and nothing more is acknowledged on it (E4).
func (c *conn) Acked(seq uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.broker.counters.staleAcks.Add(1)
		return
	}
	if err != nil {
		_ = c.closeLocked()
		return
	}
	n := uint64(len(c.slots))
	c.slots[seq%n].durable = true
	if seq != c.ready {
		return
	}
	if c.ready == c.head {
		c.work.Signal()
	}
	for c.ready < c.tail && c.slots[c.ready%n].durable {
		c.ready++
	}
}

// writeAcks writes what has become durable, everything at hand in one write, until the connection ends.
func (c *conn) writeAcks() {
	var buf []byte
	for {
		var upTo uint64
		var ok bool
		if buf, upTo, ok = c.nextAcks(buf[:0]); !ok {
			return
		}
		if _, err := c.Write(buf); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.broker.counters.slowClosed.Add(1)
				c.broker.log.warn(causeSlow).Stringer("remote", c.RemoteAddr()).
					Msg("mqtt client does not read its acknowledgements; connection closed")
			}
			c.Close()
			return
		}
		c.release(upTo)
	}
}

// nextAcks waits for durable messages and appends their PUBACKs to buf; upTo is the first that is not
// among them. It reports false when the connection has ended.
func (c *conn) nextAcks(buf []byte) (_ []byte, upTo uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && c.ready == c.head {
		c.work.Wait()
		// The log reports a group message by message. Stepping back once lets it report the rest, so
		// that the group leaves in one write.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	if c.closed {
		return nil, 0, false
	}
	const puback, remaining = 0x40, 2
	n := uint64(len(c.slots))
	for seq := c.head; seq < c.ready; seq++ {
		id := c.slots[seq%n].packetID
		buf = append(buf, puback, remaining, byte(id>>8), byte(id))
	}
	return buf, c.ready, true
}

// release frees the slots of messages whose PUBACK is written.
func (c *conn) release(upTo uint64) {
	c.mu.Lock()
	c.broker.counters.acked.Add(upTo - c.head)
	c.head = upTo
	c.room.Broadcast()
	c.mu.Unlock()
}

// startDrain stops taking: the handler waits with the next publish until the connection ends.
func (c *conn) startDrain() {
	c.mu.Lock()
	c.draining = true
	c.mu.Unlock()
}

// awaitDrained returns when everything taken is acknowledged or the connection has ended.
func (c *conn) awaitDrained() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && c.head < c.tail {
		c.room.Wait()
	}
}

// Close ends the connection for both goroutines. It may be called more than once.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closeLocked()
}

func (c *conn) closeLocked() error {
	if c.closed {
		return nil
	}
	c.closed = true
	c.cancel()
	c.work.Broadcast()
	c.room.Broadcast()
	return c.socket.Close()
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
