package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/broker/users"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

// Options say where the broker listens, what it accepts and where that goes.
type Options struct {
	// Listen is the TCP address, "127.0.0.1:1883". Without TLS and one of Users and ClientCertificates
	// only a loopback address is accepted. Port 0 takes a free one; Addr tells which.
	Listen string
	// TLS is spoken instead of plain TCP when it is set.
	TLS *tls.Config
	// Users are who may connect; nil without ClientCertificates: everybody, and may publish everything.
	Users *users.Users
	// ClientCertificates says that TLS verifies certificates of clients: the common name of one is the
	// name of its user, a vehicle if Users does not know it.
	ClientCertificates bool
	// Topics are asked in order, the first whose filter matches wins. None: DefaultTopics.
	Topics []Topic
	// Sink takes the records. Required.
	Sink ingest.Sink
	// Codecs are what the codecs named by Topics know of batches and keys; default: DefaultCodecs.
	Codecs map[string]Codec
	// Source is the name of this way in, as people read it in dead letters; default "mqtt".
	Source string
	// Window is how many messages of one connection may wait for their sync; at the bound the
	// connection is not read, so that TCP slows its sender. 1 to 65535, default 1024.
	Window int
	// MaxClients is how many connections are open at once; further ones are refused. Default 10,000.
	MaxClients int
	// WriteTimeout is how long a client may leave its acknowledgements unread before its connection is
	// closed; default 10 s.
	WriteTimeout time.Duration
	// RefuseDelay is when a CONNECT with wrong credentials is refused, counted from its coming: a client
	// that tries in a loop does so that slowly, and cannot tell an unknown name from a wrong password.
	// Default 1 s.
	RefuseDelay time.Duration
	// DrainTimeout is how long Run waits, after its context ended, for messages taken to become
	// durable so that they can be acknowledged; default 3 s.
	DrainTimeout time.Duration
	Logger       zerolog.Logger
}

// Topic says what may come in on the topics that match a filter.
type Topic = receive.Topic

// Codec is what routing needs to know of payloads.
type Codec = receive.Codec

// DefaultTopics are the topics of a broker without configuration. No car can send an erase.
func DefaultTopics() []Topic { return receive.DefaultTopics() }

// DefaultCodecs is the json codec alone.
func DefaultCodecs() map[string]Codec { return receive.DefaultCodecs() }

func (o *Options) setDefaults() {
	if len(o.Topics) == 0 {
		o.Topics = DefaultTopics()
	}
	if o.Codecs == nil {
		o.Codecs = DefaultCodecs()
	}
	if o.Source == "" {
		o.Source = "mqtt"
	}
	if o.Window == 0 {
		o.Window = 1024
	}
	if o.MaxClients == 0 {
		o.MaxClients = 10_000
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.RefuseDelay == 0 {
		o.RefuseDelay = time.Second
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 3 * time.Second
	}
}

func (o *Options) validate() error {
	if o.Sink == nil {
		return errors.New("mqtt broker: no sink")
	}
	if o.Window < 1 || o.Window > 65535 {
		return fmt.Errorf("mqtt broker: window %d: expected 1 to 65535", o.Window)
	}
	if o.MaxClients < 1 {
		return fmt.Errorf("mqtt broker: max clients %d: expected at least 1", o.MaxClients)
	}
	if o.ClientCertificates && o.TLS == nil {
		return errors.New("mqtt broker: client certificates without TLS")
	}
	if o.TLS != nil && (o.Users != nil || o.ClientCertificates) {
		return nil
	}
	return checkLoopback(o.Listen)
}

// checkLoopback refuses an address that others can reach: without users and TLS anybody could speak for
// any car.
func checkLoopback(listen string) error {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return fmt.Errorf("mqtt listen %q: %w", listen, err)
	}
	if !addr.IP.IsLoopback() {
		return fmt.Errorf("mqtt listen %q: without TLS and users only a loopback address is accepted, such as 127.0.0.1:1883", listen)
	}
	return nil
}
