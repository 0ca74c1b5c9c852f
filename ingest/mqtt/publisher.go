// Package mqtt speaks MQTT to brokers of others: topics and payloads go in, publishes of QoS 1 come out,
// in order and acknowledged. It is how the virtual fleet reaches a broker.
package mqtt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/rs/zerolog"
)

// PublisherOptions say where a Publisher sends to.
type PublisherOptions struct {
	// URL of the broker, "tcp://127.0.0.1:1883"; mqtt:// and ssl:// too.
	URL string
	// ClientID must be unique at the broker; empty lets the broker choose.
	ClientID string
	// Window is how many messages may wait for their acknowledgement; default 100.
	Window int
	// RetryMax bounds the pause between attempts to connect; default 5 s.
	RetryMax time.Duration
	// WriteMax bounds how long a broker that reads nothing, or has died, holds up one message and so the
	// end of Run; then the connection is given up. Default 10 s.
	WriteMax time.Duration
	Logger   zerolog.Logger
}

// Publisher sends messages in order and keeps each until the broker has acknowledged it. After a lost
// connection it connects again and repeats, in order, what was not acknowledged: every message arrives
// at least once, and the last arrivals of any two stand in the order of their Publish.
//
// Publish, Flush and Stats may be called concurrently; Run once.
type Publisher struct {
	opts PublisherOptions

	mu      sync.Mutex
	changed sync.Cond
	// window holds what is not acknowledged, oldest first; the first sent of it are on their way.
	window []message
	sent   int
	stats  PublisherStats
	ended  bool
}

// PublisherStats are counters since the Publisher was made.
type PublisherStats struct {
	// Published counts messages accepted by Publish, Acked those the broker acknowledged.
	Published, Acked uint64
	// Connects counts connections made; Repeated messages that were sent once more after a loss.
	Connects, Repeated uint64
}

type message struct {
	topic   string
	payload []byte
}

// errEnded is what Publish and Flush return after Run has returned.
var errEnded = errors.New("mqtt publisher: not running any more")

// NewPublisher checks the options. It connects to nothing.
func NewPublisher(opts PublisherOptions) (*Publisher, error) {
	u, err := url.Parse(opts.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("mqtt url %q: expected tcp://host:port", opts.URL)
	}
	if opts.Window == 0 {
		opts.Window = 100
	}
	if opts.Window < 0 || opts.Window > 60_000 {
		return nil, fmt.Errorf("mqtt window %d: expected 1 to 60000", opts.Window)
	}
	if opts.RetryMax == 0 {
		opts.RetryMax = 5 * time.Second
	}
	if opts.WriteMax == 0 {
		opts.WriteMax = 10 * time.Second
	}
	p := &Publisher{opts: opts}
	p.changed.L = &p.mu
	return p, nil
}

// Publish queues a message and waits while the window is full. The payload must not change afterwards.
func (p *Publisher) Publish(ctx context.Context, topic string, payload []byte) error {
	return p.wait(ctx, func() bool {
		if len(p.window) == p.opts.Window {
			return false
		}
		p.window = append(p.window, message{topic, payload})
		p.stats.Published++
		p.changed.Broadcast()
		return true
	})
}

// Flush waits until everything published is acknowledged.
func (p *Publisher) Flush(ctx context.Context) error {
	return p.wait(ctx, func() bool { return len(p.window) == 0 })
}

// Stats returns the counters as they stand.
func (p *Publisher) Stats() PublisherStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// wait calls done under the lock until it is true, the context ends, or Run has returned.
func (p *Publisher) wait(ctx context.Context, done func() bool) error {
	defer context.AfterFunc(ctx, p.wake)()
	p.mu.Lock()
	defer p.mu.Unlock()
	for ctx.Err() == nil && !p.ended {
		if done() {
			return nil
		}
		p.changed.Wait()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errEnded
}

func (p *Publisher) wake() {
	p.mu.Lock()
	p.changed.Broadcast()
	p.mu.Unlock()
}

// Run connects, sends, and connects again until the context ends. It returns nil then; what was not
// acknowledged by that time may or may not have arrived.
func (p *Publisher) Run(ctx context.Context) error {
	defer func() {
		p.mu.Lock()
		p.ended = true
		p.changed.Broadcast()
		p.mu.Unlock()
	}()
	const first = 50 * time.Millisecond
	pause := first
	for ctx.Err() == nil {
		connected, err := p.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if connected {
			pause = first
		}
		p.opts.Logger.Warn().Err(err).Dur("retry_in", pause).Msg("mqtt broker lost or not reached; trying again")
		sleep(ctx, pause/2+rand.N(pause))
		pause = min(2*pause, p.opts.RetryMax)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// session lives as long as one connection.
//
// The library's own reconnect is not used: it completes the token of a message without an error when it
// sends it again, so that an acknowledgement could not be told from a repetition.
func (p *Publisher) session(ctx context.Context) (connected bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	opts := paho.NewClientOptions().AddBroker(p.opts.URL).SetClientID(p.opts.ClientID).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetConnectTimeout(10 * time.Second).SetWriteTimeout(p.opts.WriteMax).
		SetConnectionLostHandler(func(_ paho.Client, err error) { cancel(err) })
	client := paho.NewClient(opts)
	if err := await(ctx, client.Connect()); err != nil {
		client.Disconnect(0)
		return false, fmt.Errorf("mqtt connect to %s: %w", p.opts.URL, err)
	}
	defer client.Disconnect(0)
	p.restart()

	tokens := make(chan paho.Token, p.opts.Window)
	var acks sync.WaitGroup
	acks.Go(func() {
		for tok := range tokens {
			if err := await(ctx, tok); err != nil {
				cancel(err)
				continue // the rest of the session is void; its messages stay in the window
			}
			p.acked()
		}
	})
	for {
		m, err := p.next(ctx)
		if err != nil {
			break
		}
		tokens <- client.Publish(m.topic, 1, false, m.payload)
	}
	close(tokens)
	acks.Wait()
	return true, context.Cause(ctx)
}

// await waits for a token and returns its error, or the cause of the session's end: once that has come,
// no token counts any more.
func await(ctx context.Context, tok paho.Token) error {
	select {
	case <-tok.Done():
		if ctx.Err() == nil {
			return tok.Error()
		}
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// restart makes everything in the window unsent.
func (p *Publisher) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Connects++
	p.stats.Repeated += uint64(p.sent)
	p.sent = 0
}

// next waits for a message to send.
func (p *Publisher) next(ctx context.Context) (m message, err error) {
	err = p.wait(ctx, func() bool {
		if p.sent == len(p.window) {
			return false
		}
		m = p.window[p.sent]
		p.sent++
		return true
	})
	return m, err
}

// acked removes the oldest message: acknowledgements come in the order of the messages.
func (p *Publisher) acked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window = p.window[1:]
	p.sent--
	p.stats.Acked++
	p.changed.Broadcast()
}
