package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

const (
	// connectTimeout bounds each of: reaching the broker, TLS, and its answer to CONNECT.
	connectTimeout = 10 * time.Second
	// writeTimeout is how long a broker may leave unread what it is sent.
	writeTimeout = 10 * time.Second
	// hangUpTimeout is how long a broker that was told that we go may take to end the connection.
	hangUpTimeout = time.Second
	// readBuffer is how much is read from the kernel at once, in bytes.
	readBuffer = 32 << 10
)

// link is one connection to the broker: the library reads and writes it as a net.Conn, the session writes
// acknowledgements beside it. Deadlines are the link's own: those of the library are too coarse (none for
// what it writes of itself) or count while nobody reads.
//
// A broker is dead when it is silent while it is listened to. The library instead misses the answer to its
// ping while a message in front of it waits for the Sink, and gives a sound connection up; so its own bound
// is switched off (see newClient), and the silence of each Read, within which a ping is answered, decides.
type link struct {
	net.Conn          // TLS or the socket itself
	socket   net.Conn // what is closed: ending TLS in form may wait for the broker
	in       packetReader
	silence  time.Duration
	// fail is told why the connection ended. It may be called more than once; the first counts.
	fail   func(error)
	opened atomic.Bool // the session is up: the library ending it is a failure
}

// dial connects, with TLS when asked.
func (a brokerAddress) dial(ctx context.Context, cfg *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*connectTimeout)
	defer cancel()
	d := net.Dialer{Timeout: connectTimeout}
	nc, err := d.DialContext(ctx, "tcp", a.addr)
	if err != nil {
		return nil, &unreachable{err}
	}
	if !a.tls && cfg == nil {
		return nc, nil
	}
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName = a.host
	}
	tc := tls.Client(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, &handshake{err}
	}
	return tc, nil
}

func newLink(nc net.Conn, keepAlive time.Duration, fail func(error), cut func(uint64, []byte)) *link {
	l := &link{Conn: nc, socket: nc, silence: 2 * keepAlive, fail: fail}
	if t, ok := nc.(*tls.Conn); ok {
		l.socket = t.NetConn()
	}
	l.in = packetReader{r: bufio.NewReaderSize(deadlineReader{l}, readBuffer), cut: cut}
	return l
}

// deadlineReader reads the connection itself.
type deadlineReader struct{ *link }

func (r deadlineReader) Read(p []byte) (int, error) {
	limit := r.silence
	if !r.in.connected {
		limit = connectTimeout
	}
	if err := r.Conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	return r.Conn.Read(p)
}

func (l *link) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	if err != nil {
		l.fail(err)
	}
	return n, err
}

// Write may be called concurrently; each call is one or more whole packets.
func (l *link) Write(p []byte) (int, error) {
	err := l.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	n := 0
	if err == nil {
		n, err = l.Conn.Write(p)
	}
	if err != nil {
		l.fail(err)
	}
	return n, err
}

// Close is called by the session at its end, and by the library when it cannot read a packet.
func (l *link) Close() error {
	if l.opened.Load() {
		l.fail(errMalformed)
	}
	return l.socket.Close()
}

// SetDeadline, SetReadDeadline and SetWriteDeadline are the library's and do nothing.
func (l *link) SetDeadline(time.Time) error      { return nil }
func (l *link) SetReadDeadline(time.Time) error  { return nil }
func (l *link) SetWriteDeadline(time.Time) error { return nil }
