package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// unreachable is a broker that could not be connected to.
type unreachable struct{ error }

func (u *unreachable) Unwrap() error { return u.error }

// refusedConnect is a broker that was reached and did not let us in.
type refusedConnect struct{ error }

func (r *refusedConnect) Unwrap() error { return r.error }

// handshake is a TLS handshake that failed.
type handshake struct{ error }

func (h *handshake) Unwrap() error { return h.error }

// diagnosis is why a connection failed, as somebody needs it who can mend it.
type diagnosis struct {
	cause   cause
	refusal bool // it will not mend itself
	text    string
	err     error
}

// diagnose names the key of the configuration that is to be looked at. connected: the failure ended a
// connection, and it was the short-th in a row to end soon.
func diagnose(err error, connected bool, short int, c *connection) diagnosis {
	if d, ok := diagnoseTLS(err); ok {
		return d
	}
	var closed *refusedConnect
	var unreached *unreachable
	var shook *handshake
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return diagnosis{causeUser, true, "mqtt.connect.username, password_file: the broker refuses this user, this password or this client id", err}
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return diagnosis{causeClientID, true, fmt.Sprintf("mqtt.connect.client_id: the broker refuses %q", c.id), err}
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return diagnosis{causeLost, false, "mqtt broker says that it is not available; trying again", err}
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		return diagnosis{causeProtocol, true, "mqtt.connect.url: the broker does not speak MQTT 3.1.1", err}
	case errors.As(err, &shook):
		return diagnosis{causeTLS, true, "mqtt.connect.url: what listens there ends the TLS handshake; is it a TLS port?", err}
	case errors.As(err, &unreached):
		return diagnosis{causeReach, false, "mqtt.connect.url: the broker cannot be reached; trying again", err}
	case errors.As(err, &closed) && goneAway(err) && c.sub.Encrypted():
		return diagnosis{causeTLS, true, "mqtt.connect.tls.cert_file: what listens there ends the connection instead of answering; does it want a client certificate, or another?", err}
	case errors.As(err, &closed) && goneAway(err):
		return diagnosis{causeProtocol, true, "mqtt.connect.url: what listens there ends the connection instead of answering; does it want TLS (tls://)?", err}
	case errors.As(err, &closed):
		return diagnosis{causeProtocol, true, "mqtt.connect.url: what listens there does not answer as an MQTT broker", err}
	case errors.Is(err, errProtocol):
		return diagnosis{causeProtocol, true, "mqtt broker broke the protocol; connection given up, trying again", err}
	case errors.Is(err, errBehind):
		return diagnosis{causeBehind, false, "intake has not taken a message for long; disconnected from the mqtt broker, which keeps what arrives, until it does", err}
	case errors.Is(err, errNoSuback):
		return diagnosis{causeSubscribe, true, "mqtt broker does not answer a subscription; connection given up, trying again", err}
	case connected && short >= 3 && goneAway(err):
		return diagnosis{causeTakeover, true, fmt.Sprintf("mqtt broker ended %d connections in a row soon after they were made: is another client connected as mqtt.connect.client_id %q? If not: does the broker end connections that subscribe to what they may not (mqtt.topics)?", short, c.id), err}
	case !connected:
		return diagnosis{causeConfig, true, "mqtt broker not connected", err}
	}
	return diagnosis{causeLost, false, "mqtt broker lost; connecting again", err}
}

// goneAway reports whether the other side ended the connection.
func goneAway(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func diagnoseTLS(err error) (diagnosis, bool) {
	var (
		unknown  x509.UnknownAuthorityError
		roots    x509.SystemRootsError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		noTLS    tls.RecordHeaderError
		remote   *net.OpError
		verify   *tls.CertificateVerificationError
		text     string
		cause    = causeTLS
		ownFault = errors.As(err, &remote) && remote.Op == "remote error"
	)
	switch {
	case errors.As(err, &unknown), errors.As(err, &roots):
		text = "mqtt.connect.tls.ca_file: the broker's certificate is not signed by an authority that is trusted here"
	case errors.As(err, &name):
		text = "mqtt.connect.tls.server_name: the broker's certificate is for another name; put the one it carries here if the address is right"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		text = "mqtt.connect.url: the broker's certificate has expired or is not valid yet: renew it there, or set this machine's clock"
	case errors.As(err, &invalid), errors.As(err, &verify):
		text = "mqtt.connect.tls: the broker's certificate is not valid"
	case errors.As(err, &noTLS):
		text = "mqtt.connect.url: what listens there speaks no TLS; take the broker's TLS port, or mqtt:// without mqtt.connect.tls"
	case ownFault:
		text = "mqtt.connect.tls.cert_file: the broker wants another client certificate, or any"
	default:
		return diagnosis{}, false
	}
	return diagnosis{cause, true, text, err}, true
}

// deny keeps and logs which subscriptions the broker refused.
func (c *connection) deny(filters []string) {
	text := ""
	if len(filters) > 0 {
		c.sub.counters.refused.Add(uint64(len(filters)))
		text = "mqtt.topics: the broker refuses the subscription to " + strings.Join(filters, ", ")
		if c.sub.opts.Share != "" {
			text += "; does it know shared subscriptions (mqtt.connect.share)?"
		} else {
			text += "; may the user read it?"
		}
		c.sub.log.Error(causeSubscribe).Str("client_id", c.id).Msg(text)
	}
	c.mu.Lock()
	c.refused = text
	c.mu.Unlock()
}

// cause is what a log line is about; each is logged once a minute at most.
type cause uint8

const (
	causeReach cause = iota
	causeTLS
	causeUser
	causeClientID
	causeConfig
	causeProtocol
	causeSubscribe
	causeQoS0
	causeBehind
	causeTakeover
	causeLost
	causeTopic
	causeForgotten
	causeDrain
	causes
)
