package mqtt

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

const (
	// queueTimeout is how long the library may take to queue a packet of ours.
	queueTimeout = 3 * time.Second
	// subackTimeout is how long a broker may take to answer a subscription.
	subackTimeout = time.Minute
	// refusedQoS is what a broker grants that grants nothing.
	refusedQoS = 0x80
)

// connection keeps one connection to the broker: one session after another under one client id.
//
// The library's own reconnect is not used: it would send an acknowledgement of the lost connection on the
// new one, where its packet id is another message's, and it knows no pause that grows over connections that
// are made and lost at once.
type connection struct {
	sub     *Subscriber
	id      string
	filters []string // to subscribe to
	// foreign are filters that this client id may be subscribed to from before, when the connections were
	// others: the broker would send their messages twice.
	foreign []string

	once sync.Once // subscribed

	mu      sync.Mutex
	session *session // nil: not connected
	ready   bool     // it is subscribed to something
	refused string   // subscriptions that the broker does not grant this session
	trouble string   // why it is not connected
	reused  uint64   // of sessions that have ended
	opened  uint64
}

func (c *connection) run(ctx context.Context) {
	retry := retry{min: c.sub.opts.RetryMin, max: c.sub.opts.RetryMax}
	for ctx.Err() == nil {
		began := time.Now()
		s, err := c.open(ctx)
		connected := err == nil
		if connected {
			c.enter(s)
			err = s.serve(ctx)
		}
		if ctx.Err() == nil {
			short := retry.note(connected, time.Since(began))
			c.report(diagnose(err, connected, short, c))
		}
		if connected {
			s.end()
			c.leave(s)
		}
		retry.wait(ctx)
	}
}

// enter makes a session the connection's.
func (c *connection) enter(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened++; c.opened > 1 {
		c.sub.counters.reconnects.Add(1)
	}
	c.session = s
	if c.opened > 1 && !s.kept {
		c.sub.log.Warn(causeForgotten).Str("client_id", c.id).
			Msg("mqtt broker has forgotten the session: what arrived while nobody was connected is lost there; have it persist sessions")
	}
}

func (c *connection) leave(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.ready = nil, false
	c.reused += s.window.Reused()
}

// report counts, logs and keeps why a connection failed.
func (c *connection) report(d diagnosis) {
	c.sub.counters.failures.Add(1)
	if d.refusal {
		c.sub.counters.refused.Add(1)
	}
	c.mu.Lock()
	c.trouble, c.ready = d.text+": "+d.err.Error(), false
	c.mu.Unlock()
	event := c.sub.log.Warn
	if d.refusal {
		event = c.sub.log.Error
	}
	event(d.cause).Str("client_id", c.id).Str("broker", c.sub.address.addr).Err(d.err).Msg(d.text)
}

// subscribed tells the others that this connection's filters are its own.
func (c *connection) subscribed() {
	c.mu.Lock()
	c.trouble, c.ready = "", true
	c.mu.Unlock()
	c.once.Do(func() {
		if c.sub.waitingFor.Add(-1) == 0 {
			close(c.sub.subscribed)
		}
	})
}

func (c *connection) status() (connected bool, waiting int, reused uint64, trouble string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	trouble, reused = c.trouble, c.reused
	if c.session != nil {
		waiting = c.session.window.Waiting()
		reused += c.session.window.Reused()
	}
	if c.session != nil && c.refused != "" {
		trouble = c.refused
	}
	return c.ready, waiting, reused, trouble
}

// subscribe subscribes to filters, which a broker that kept the session may hold already: what it kept of
// them cannot be asked for. It returns those that were refused.
func (s *session) subscribe(ctx context.Context, filters []string) (refused []string, err error) {
	tokens := make([]paho.Token, len(filters))
	for i, f := range filters {
		tokens[i] = s.client.Subscribe(f, 1, nil)
	}
	timeout := time.NewTimer(subackTimeout)
	defer timeout.Stop()
	for i, tok := range tokens {
		select {
		case <-tok.Done():
		case <-s.ctx.Done():
			return nil, context.Cause(s.ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timeout.C:
			return nil, errNoSuback
		}
		if err := tok.Error(); err != nil {
			return nil, err
		}
		for _, granted := range tok.(*paho.SubscribeToken).Result() {
			if granted >= refusedQoS {
				refused = append(refused, filters[i])
			} else if granted == 0 {
				s.c.sub.log.Warn(causeQoS0).Str("filter", filters[i]).
					Msg("mqtt broker grants QoS 0 only: messages are lost whenever the connection or the engine is")
			}
		}
	}
	s.c.deny(refused)
	if len(refused) < len(filters) {
		s.c.subscribed()
	}
	return refused, nil
}

// retry is the pause between attempts.
type retry struct {
	min, max time.Duration
	next     time.Duration
	short    int // connections in a row that were lost soon after they were made
}

// note counts an attempt that lasted so long. It returns how many connections in a row were short.
func (r *retry) note(connected bool, lasted time.Duration) int {
	switch {
	case connected && lasted >= 2*r.max:
		r.next, r.short = 0, 0
	case connected:
		r.short++
	}
	r.next = min(max(2*r.next, r.min), r.max)
	return r.short
}

// wait pauses for half to the whole of what is next.
func (r *retry) wait(ctx context.Context) {
	if half := r.next / 2; half > 0 {
		sleep(ctx, half+rand.N(half))
	}
}
