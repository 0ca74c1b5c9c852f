package broker

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/broker/users"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

const (
	// maxPending bounds the connections that have not said who they are, maxPendingFrom those of one
	// address: many cars share one behind a carrier's gateway.
	maxPending, maxPendingFrom = 2048, 512
)

// client is who a connection belongs to; zero: nobody had to say.
type client struct {
	name      string
	user      users.User // as it was when the client connected
	certified bool       // by certificate, not by password
	source    string     // of records that the client may not send, for people
}

// may reports whether the client may publish under a key of a route. A vehicle speaks for itself and for
// no other; it is no party, and where the payload names the vehicle nothing else holds it to its own.
func (w *client) may(r *receive.Route, key string) bool {
	return w.user.Role != users.Vehicle || r.Keyed() && !r.Party() && key == w.name
}

// authenticates reports whether clients have to say who they are.
func (b *Broker) authenticates() bool { return b.opts.Users != nil || b.opts.ClientCertificates }

var (
	errNoName      = errors.New("no user name; connect with one and its password, or with a client certificate")
	errOtherName   = errors.New("the user name is not that of the client certificate")
	errCertificate = errors.New("the common name of the client certificate is no vehicle id (1 to 64 letters, digits, and _ . : -)")
	errBlocked     = errors.New("the user is blocked in the users file")
)

// identify finds out who connects: the common name of a verified certificate, else a user with its
// password.
func (b *Broker) identify(c *conn, pk *packets.Packet) (client, error) {
	who := client{}
	given := string(pk.Connect.Username)
	cert := c.certificate()
	switch {
	case cert != nil:
		who.name, who.certified = cert.Subject.CommonName, true
		switch {
		case !ingest.ValidKey([]byte(who.name)):
			return who, errCertificate
		case given != "" && given != who.name:
			return who, errOtherName
		}
		if who.user = b.certified(who.name); who.user.Role == users.Blocked {
			return who, errBlocked
		}
	case given == "" || b.opts.Users == nil:
		return who, errNoName
	default:
		ctx, cancel := context.WithTimeout(c.ctx, connectTimeout)
		defer cancel()
		var err error
		if who.user, err = b.opts.Users.Verify(ctx, given, pk.Connect.Password); err != nil {
			return who, err
		}
		who.name = given
	}
	who.source = fmt.Sprintf("%s client %s", b.opts.Source, who.name)
	return who, nil
}

// certified is the user of a name that a certificate has proven: what the users file says, else a vehicle.
func (b *Broker) certified(name string) users.User {
	if b.opts.Users != nil {
		if u, ok := b.opts.Users.Find(name); ok {
			return u
		}
	}
	return users.User{Role: users.Vehicle}
}

// certificate is the client's verified one, nil without.
func (c *conn) certificate() *x509.Certificate {
	t, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	st := t.ConnectionState()
	if len(st.VerifiedChains) == 0 {
		return nil
	}
	return st.PeerCertificates[0]
}

// authenticate admits a client or keeps it waiting and refuses it. Its sessions live under its name, so
// that nobody takes over those of another by choosing its client id.
func (b *Broker) authenticate(c *conn, cl *mqtt.Client, pk *packets.Packet) bool {
	if !b.authenticates() {
		return true
	}
	late := time.Now().Add(b.opts.RefuseDelay)
	who, err := b.identify(c, pk)
	if err == nil {
		c.mu.Lock()
		c.who = who
		c.mu.Unlock()
		b.settle(c)
		if !b.stands(&who) { // the users have been read again since, and Recheck was here before
			c.Close()
		}
		cl.ID = who.name + "/" + cl.ID
		return true
	}
	c.refused = true
	if c.ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		b.counters.refusedPending.Add(1)
		b.log.Warn(causePending).Msg("mqtt connection closed before its password was looked at; too many clients connect at once")
		c.Close() // without a word: a CONNACK would say that the password is wrong
		return false
	}
	b.counters.refusedCredentials.Add(1)
	b.log.Warn(causeCredentials).Stringer("remote", c.RemoteAddr()).Str("user", receive.Mask(strings.ToValidUTF8(string(pk.Connect.Username), "?"))).Err(err).
		Msg("mqtt client refused")
	pause(c.ctx, time.Until(late))
	return false
}

// Recheck closes the connections of clients whose line in the users file has changed or gone, so that
// whoever is blocked is so at once. It is called when the users have been read again.
func (b *Broker) Recheck() {
	b.mu.Lock()
	conns := make([]*conn, 0, len(b.conns))
	for c := range b.conns {
		conns = append(conns, c)
	}
	b.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		who := c.who
		c.mu.Unlock()
		if who.name != "" && !b.stands(&who) {
			b.log.Warn(causeRecheck).Str("user", receive.Mask(who.name)).Msg("mqtt connection closed; its user has changed in the users file")
			c.Close()
		}
	}
}

// stands reports whether a client would be today who it was when it connected.
func (b *Broker) stands(who *client) bool {
	if who.certified {
		return b.certified(who.name).Role == who.user.Role
	}
	now, ok := b.opts.Users.Find(who.name)
	return ok && now == who.user
}

// pending are the connections that have not said who they are; guarded by Broker.mu.
type pending struct {
	all  int
	from map[netip.Addr]int
}

// wait adds a connection, or reports that there are too many.
func (p *pending) wait(from netip.Addr) bool {
	if p.all >= maxPending || p.from[from] >= maxPendingFrom {
		return false
	}
	p.all++
	p.from[from]++
	return true
}

func (p *pending) done(from netip.Addr) {
	p.all--
	if p.from[from]--; p.from[from] <= 0 {
		delete(p.from, from)
	}
}

// settle ends a connection's waiting: it has said who it is, or gone.
func (b *Broker) settle(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.pending {
		c.pending = false
		b.pending.done(c.from)
	}
}

// Offender is a client that published for others.
type Offender struct {
	Client   string `json:"client"`
	Messages uint64 `json:"messages"`
}

// maxOffenders bounds the clients counted one by one.
const maxOffenders = 1000

// offend counts a message that its client may not send.
func (b *Broker) offend(name, topic string) {
	b.counters.wrongClient.Add(1)
	b.mu.Lock()
	if _, known := b.offenders[name]; known || len(b.offenders) < maxOffenders {
		b.offenders[name]++
	}
	b.mu.Unlock()
	b.log.Warn(causeWrongClient).Str("user", receive.Mask(name)).Str("topic", receive.MaskTopic(topic)).
		Msg("mqtt client published for another vehicle; the message goes to the dead letters. A vehicle's user name is the id in its topics, who speaks for others has role gateway")
}

// Offenders lists the clients that published for others since the broker was made, the busiest first; at
// most a thousand are told apart.
func (b *Broker) Offenders() []Offender {
	b.mu.Lock()
	out := make([]Offender, 0, len(b.offenders))
	for name, n := range b.offenders {
		out = append(out, Offender{name, n})
	}
	b.mu.Unlock()
	slices.SortFunc(out, func(x, y Offender) int {
		return cmp.Or(cmp.Compare(y.Messages, x.Messages), strings.Compare(x.Client, y.Client))
	})
	return out
}
