package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

var (
	errMalformed = fmt.Errorf("%w: a packet cannot be read", errProtocol)
	errBehind    = errors.New("intake is behind")
	errNoSuback  = errors.New("the broker does not answer a subscription")
)

// session is one connection to the broker, from CONNECT to its end, and the Acker of the messages it brought.
// An acknowledgement therefore cannot reach another connection, however late it comes and whatever packet
// ids that one uses. A lost session is not revived: the next has a client, a link and a window of its own.
//
// The way of a message:
//
//	broker ─▶ link.Read ─▶ paho decodes ─▶ session.handle ─▶ Sink.Take ─▶ log
//	broker ◀── writeAcks (one write a group) ◀── window, in order ◀── session.Acked ◀── synced
//
// The library's own acknowledgements are not used: it sends them one by one over four channels, whichever
// goroutine asks waits for the broker, and they leave in the order in which they were asked for.
//
// When the log is behind its disk, handle waits in Take and the connection is not read: TCP slows the broker,
// which is the gentle way for the moments that a busy disk takes. Waiting longer than Patience is something
// else, a full disk say: then the session is given up, so that the broker knows that nobody listens and keeps
// what arrives, and the next begins when Take has returned. Nothing is dropped, and what is held here is at
// most one message and the buffers of one connection, either way.
type session struct {
	c      *connection
	ctx    context.Context // ends with the session, its cause says why
	cancel context.CancelCauseFunc
	link   *link
	kept   bool // the broker had the session already
	client paho.Client
	window *receive.Window
	writer sync.WaitGroup

	taking sync.Mutex // held while a message is handed over
	split  receive.Splitter
	seen   uint64 // publishes that came to handle
	// stopped: the Sink takes nothing more; leaving: nothing more is handed to it.
	stopped bool
	leaving atomic.Bool
	// busy is the number of the publish at hand, from 1; 0: none.
	busy atomic.Uint64

	cutMu sync.Mutex
	cuts  map[uint64][]byte // forms of oversize publishes by their number; nil: none
	anyCt atomic.Bool
}

// open connects. The caller ends the session it gets.
func (c *connection) open(ctx context.Context) (*session, error) {
	var password string
	if f := c.sub.opts.Password; f != nil {
		var err error
		if password, err = f(); err != nil {
			return nil, err
		}
	}
	nc, err := c.sub.address.dial(ctx, c.sub.opts.TLS)
	if err != nil {
		return nil, err
	}
	s := &session{c: c, window: receive.NewWindow(c.sub.opts.Window)}
	s.window.WatchIDs()
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.link = newLink(nc, c.sub.opts.KeepAlive, s.cancel, s.keepCut)
	s.client = s.newClient(password)
	tok := s.client.Connect()
	select {
	case <-tok.Done():
		err = tok.Error()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.end()
		return nil, &refusedConnect{err}
	}
	s.link.opened.Store(true)
	s.writer.Go(func() { _ = s.window.Write(s.writeAcks) })
	s.kept = tok.(*paho.ConnectToken).SessionPresent()
	c.sub.opts.Logger.Info().Str("client_id", c.id).Bool("session_kept", s.kept).Msg("mqtt connected to the broker")
	return s, nil
}

// newClient makes a client of the library for this link. It reconnects nothing, keeps nothing and
// acknowledges nothing by itself.
func (s *session) newClient(password string) paho.Client {
	o := &s.c.sub.opts
	opts := paho.NewClientOptions().AddBroker(o.URL).SetClientID(s.c.id).SetProtocolVersion(4).
		SetUsername(o.Username).SetPassword(password).
		SetCleanSession(false).SetStore(noStore{}).SetResumeSubs(false).
		SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(connectTimeout).SetWriteTimeout(queueTimeout).
		SetKeepAlive(o.KeepAlive).SetPingTimeout(365 * 24 * time.Hour). // see link
		SetOrderMatters(true).SetAutoAckDisabled(true).SetDefaultPublishHandler(s.handle).
		SetConnectionLostHandler(func(_ paho.Client, err error) { s.cancel(err) }).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return s.link, nil })
	return paho.NewClient(opts)
}

// keepCut keeps the form of an oversize publish until handle asks for it.
func (s *session) keepCut(publish uint64, form []byte) {
	s.cutMu.Lock()
	defer s.cutMu.Unlock()
	if s.cuts == nil {
		s.cuts = map[uint64][]byte{}
	}
	s.cuts[publish] = form
	s.anyCt.Store(true)
}

func (s *session) takeCut(publish uint64) []byte {
	if !s.anyCt.Load() {
		return nil
	}
	s.cutMu.Lock()
	defer s.cutMu.Unlock()
	form := s.cuts[publish]
	delete(s.cuts, publish)
	s.anyCt.Store(len(s.cuts) > 0)
	return form
}

// handle hands a publish to the Sink. The library calls it from one goroutine, in order of receipt. What
// comes after the end of the session is left to the broker, which sends it again.
func (s *session) handle(_ paho.Client, m paho.Message) {
	s.taking.Lock()
	defer s.taking.Unlock()
	n := s.seen
	s.seen++
	if s.stopped || s.leaving.Load() || s.ctx.Err() != nil {
		return
	}
	s.busy.Store(n + 1)
	seq, ok := s.admit(m)
	if !ok {
		return
	}
	var ack ingest.Acker
	if m.Qos() > 0 {
		ack = s
	}
	recs := s.records(m, s.takeCut(n))
	err := s.c.sub.opts.Sink.Take(recs, ack, seq)
	records := len(recs)
	s.split.Reset()
	if err != nil {
		// The engine is ending and will say so in a moment: what is under way can still be acknowledged.
		if m.Qos() > 0 {
			s.window.Withdraw(seq)
		}
		s.stopped = true
		return
	}
	s.busy.Store(0)
	s.c.sub.counters.taken.Add(1)
	s.c.sub.counters.records.Add(uint64(records))
}

// admit reserves a message's place in the window. The subscription is of QoS 1; one of QoS 2 is what an
// earlier subscriber under this client id left behind, and is taken at least once like the rest.
func (s *session) admit(m paho.Message) (seq uint64, ok bool) {
	switch m.Qos() {
	case 0:
		return 0, s.window.Admit()
	case 1:
		return s.window.Reserve(receive.Puback, m.MessageID())
	default:
		return s.window.Reserve(receive.Pubrec, m.MessageID())
	}
}

// records makes the records of a message; cut is its form when it is oversize. They are valid until the next.
func (s *session) records(m paho.Message, cut []byte) []ingest.Record {
	sub, topic := s.c.sub, m.Topic()
	route, key := sub.routes.Match(topic)
	if route == nil {
		sub.counters.unmatched.Add(1)
		sub.log.Warn(causeTopic).Str("topic", receive.MaskTopic(topic)).Str("client_id", s.c.id).
			Msg("mqtt topic matches no filter of mqtt.topics; the message goes to the dead letters. Was the filter removed? The broker keeps a subscription until it is told: change mqtt.connect.client_id")
	}
	if m.Retained() {
		sub.counters.retained.Add(1)
	}
	if m.Duplicate() {
		sub.counters.redelivered.Add(1)
	}
	if cut != nil {
		sub.counters.oversize.Add(1)
		return s.split.Cut(route, key, sub.opts.Source, topic, cut)
	}
	if len(m.Payload()) > ingest.MaxPayload {
		sub.counters.oversize.Add(1)
	}
	return s.split.Records(route, key, sub.opts.Source, topic, m.Payload())
}

// Acked marks a message durable. An error means the log is dead: the session ends and nothing more is
// acknowledged on it (E4).
func (s *session) Acked(seq uint64, err error) {
	if err != nil && s.window.Close() {
		s.cancel(err)
		return
	}
	if !s.window.Durable(seq) {
		s.c.sub.counters.staleAcks.Add(1)
	}
}

// writeAcks writes acknowledgements; the link tells the session when it cannot.
func (s *session) writeAcks(acks []byte, n int) error {
	if _, err := s.link.Write(acks); err != nil {
		return err
	}
	s.c.sub.counters.acked.Add(uint64(n))
	return nil
}

// serve subscribes and keeps the session until it is lost, which is the error, or ctx ends: then what was
// taken is acknowledged, and the broker told that we go.
func (s *session) serve(ctx context.Context) error {
	refused, err := s.subscribe(ctx, s.c.filters)
	if err != nil {
		return s.leaveOr(ctx, err)
	}
	all := s.c.sub.subscribed
	if len(s.c.foreign) == 0 {
		all = nil
	}
	watch := time.NewTicker(s.c.sub.opts.Patience / 4)
	defer watch.Stop()
	again := time.NewTicker(s.c.sub.opts.RetryMax * 2)
	defer again.Stop()
	var patience patience
	for {
		select {
		case <-ctx.Done():
			return s.leaveOr(ctx, nil)
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case <-all:
			all = nil
			s.client.Unsubscribe(s.c.foreign...)
		case <-again.C:
			if len(refused) > 0 {
				if refused, err = s.subscribe(ctx, refused); err != nil {
					return s.leaveOr(ctx, err)
				}
			}
		case <-watch.C:
			if patience.over(s.busy.Load()) {
				s.cancel(errBehind)
			}
		}
	}
}

// patience notices a message that is at hand at four looks in a row.
type patience struct {
	busy  uint64
	looks int
}

func (p *patience) over(busy uint64) bool {
	if busy == 0 || busy != p.busy {
		p.busy, p.looks = busy, 0
		return false
	}
	p.looks++
	return p.looks >= 4
}

// leaveOr takes leave of the broker when ctx has ended, and otherwise returns err. Reading goes on until the
// broker has hung up: a connection closed over unread bytes takes with it what was written last.
func (s *session) leaveOr(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	s.leaving.Store(true)
	timer := time.AfterFunc(s.c.sub.opts.DrainTimeout, func() {
		if s.window.Close() {
			s.c.sub.log.Warn(causeDrain).Msg("mqtt subscriber stopped before everything taken was durable; the broker sends again what was not acknowledged")
		}
	})
	defer timer.Stop()
	stop := context.AfterFunc(s.ctx, func() { s.window.Close() })
	defer stop()
	s.window.AwaitDrained()
	s.link.opened.Store(false)
	if _, err := s.link.Write(disconnect); err != nil {
		return nil
	}
	hangUp := time.NewTimer(hangUpTimeout)
	defer hangUp.Stop()
	select {
	case <-s.ctx.Done():
	case <-hangUp.C:
	}
	return nil
}

// end closes everything and returns when no message of this session is on its way into the log any more, so
// that the next session's cannot be overtaken by it.
func (s *session) end() {
	s.link.opened.Store(false)
	s.window.Close()
	s.cancel(net.ErrClosed)
	s.link.Close()
	s.client.Disconnect(0)
	s.writer.Wait()
	s.taking.Lock()
	defer s.taking.Unlock()
}
