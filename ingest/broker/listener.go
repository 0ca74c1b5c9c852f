package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// writeBuffer is the kernel's buffer for what a client has not read yet, in bytes: some ten thousand
// acknowledgements, instead of megabytes for each client that never reads.
const writeBuffer = 32 << 10

// connectTimeout is how long a connection may take to send its CONNECT.
const connectTimeout = 10 * time.Second

// accept admits connections until the context ends.
func (b *Broker) accept(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { b.listener.Close() })
	defer stop()
	for {
		nc, err := b.listener.Accept()
		switch {
		case err == nil:
			b.admit(nc)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			b.log.Warn(causeAccept).Err(err).Msg("mqtt cannot accept connections; raise the limit of open files")
			pause(ctx, 100*time.Millisecond)
		default:
			return fmt.Errorf("mqtt accept on %s: %w", b.listener.Addr(), err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// admit starts the handler of a connection unless there are too many or the broker is stopping.
func (b *Broker) admit(nc net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping || len(b.conns) >= b.opts.MaxClients {
		b.counters.refusedClients.Add(1)
		nc.Close()
		b.log.Warn(causeClients).Int("max", b.opts.MaxClients).Msg("mqtt connection refused; too many clients")
		return
	}
	c := newConn(b, nc)
	if b.authenticates() {
		if !b.pending.wait(c.from) {
			b.counters.refusedPending.Add(1)
			c.Close()
			b.log.Warn(causePending).Stringer("remote", nc.RemoteAddr()).Msg("mqtt connection refused; too many clients have not said yet who they are")
			return
		}
		c.pending = true
	}
	b.conns[c] = struct{}{}
	b.counters.connections.Add(1)
	b.handlers.Go(func() { b.serve(c) })
}

// serve is the handler of a connection: it returns when the client has gone and its writer has ended.
func (b *Broker) serve(c *conn) {
	err := b.establish(c)
	c.Close()
	c.writer.Wait()
	c.discharge()
	b.settle(c)
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
	b.counters.connections.Add(-1)
	b.report(c, err)
}

// establish lets mochi serve the connection. A panic of its decoder costs this connection only; one of
// our own intake is not caught.
func (b *Broker) establish(c *conn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if c.intake.busy {
				panic(p)
			}
			b.log.Error(causePanic).Interface("panic", p).Bytes("stack", debug.Stack()).
				Msg("mqtt decoder panicked; connection closed")
			err = packets.ErrMalformedPacket
		}
	}()
	if tcp, ok := c.socket.(*net.TCPConn); ok {
		if err := tcp.SetWriteBuffer(writeBuffer); err != nil {
			return err
		}
	}
	if err := c.Conn.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return err
	}
	if t, ok := c.Conn.(*tls.Conn); ok {
		if err := t.HandshakeContext(c.ctx); err != nil {
			return handshakeError{err}
		}
	}
	return b.server.EstablishConnection("mqtt", c)
}

// handshakeError is why a connection did not come to speak MQTT.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() error { return e.error }

// explain says what is wrong on which side.
func (e handshakeError) explain() string {
	var plain tls.RecordHeaderError
	if errors.As(e.error, &plain) {
		return "mqtt client does not speak TLS; mqtt.tls is set, connect with TLS"
	}
	return "mqtt client and broker do not agree on TLS; check the client's trust in mqtt.tls.cert_file, and its own certificate against mqtt.tls.client_ca_file"
}

// report counts and logs why a connection ended. Going away is no error, nor is a probe of the port.
func (b *Broker) report(c *conn, err error) {
	var code packets.Code
	var handshake handshakeError
	switch {
	case c.refused:
		// Counted and logged when it was.
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ECONNRESET), errors.Is(err, context.Canceled):
		b.log.Plain.Debug().Stringer("remote", c.RemoteAddr()).AnErr("cause", err).Msg("mqtt connection ended")
	case errors.As(err, &handshake):
		b.counters.refusedTLS.Add(1)
		b.log.Warn(causeTLS).Stringer("remote", c.RemoteAddr()).Err(err).Msg(handshake.explain())
	case errors.Is(err, packets.ErrPacketTooLarge):
		b.counters.refusedSize.Add(1)
		b.log.Warn(causeSize).Stringer("remote", c.RemoteAddr()).
			Msg("mqtt packet over 16 MiB; connection closed, send smaller packets")
	case errors.As(err, &code) && code.Code < packets.ErrUnspecifiedError.Code, errors.Is(err, packets.ErrRejectPacket):
		// Ended by us and counted there.
	default:
		b.counters.refusedProtocol.Add(1)
		b.log.Warn(causeProtocol).Stringer("remote", c.RemoteAddr()).Err(err).
			Msg("mqtt client broke the protocol; connection closed")
	}
}
