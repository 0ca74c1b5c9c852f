package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/segmentio/kafka-go"
)

// Explain adds to an error of the cluster what the person who runs the engine can do about it: which key
// of the configuration to look at. The error it was stays in the chain.
func (c *Cluster) Explain(err error) error {
	if err == nil {
		return nil
	}
	if hint := c.hint(err); hint != "" {
		return fmt.Errorf("%s: %w", hint, err)
	}
	return err
}

func (c *Cluster) hint(err error) string {
	switch {
	case isCertificate(err):
		return c.certificateHint(err)
	case errors.As(err, new(tls.RecordHeaderError)):
		return fmt.Sprintf("the broker does not speak TLS at %s: look at kafka.tls and the port in kafka.brokers", c.addresses())
	case errors.As(err, new(tls.AlertError)) || strings.Contains(err.Error(), "remote error: tls:"):
		return "the broker refused our TLS: look at kafka.tls.cert_file and key_file"
	case errors.Is(err, kafka.SASLAuthenticationFailed), isScram(err):
		return fmt.Sprintf("the broker refused user %q: look at kafka.sasl.username and password_file", c.SASL.Username)
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return fmt.Sprintf("the broker does not offer %s: look at kafka.sasl.mechanism", c.SASL.Mechanism)
	case errors.Is(err, kafka.IllegalSASLState):
		return "the broker wants no user, or another mechanism, at this port: look at kafka.sasl and the port in kafka.brokers"
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		return fmt.Sprintf("user %q may not use the topic: give it the right in the cluster's ACLs", c.SASL.Username)
	case errors.Is(err, kafka.GroupAuthorizationFailed):
		return fmt.Sprintf("user %q may not read under this group: give it the right in the cluster's ACLs, or look at kafka.group", c.SASL.Username)
	case errors.Is(err, kafka.ClusterAuthorizationFailed):
		return fmt.Sprintf("user %q lacks a right in the cluster's ACLs", c.SASL.Username)
	case isUnreachable(err):
		return fmt.Sprintf("no broker answers at %s: look at kafka.brokers and whether the cluster runs", c.addresses())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return c.closedHint()
	}
	return ""
}

// closedHint is for a connection that the broker ends without a word, as it does when it is spoken to in
// another protocol than it expects.
func (c *Cluster) closedHint() string {
	switch {
	case c.TLS == nil && c.SASL.Mechanism == "":
		return "the broker closed the connection; if it goes on, the port may want TLS (kafka.tls) or a user (kafka.sasl)"
	case c.TLS == nil:
		return "the broker closed the connection; if it goes on, the port may want TLS (kafka.tls) or another user (kafka.sasl)"
	}
	return "the broker closed the connection; if it goes on, the port may not speak TLS (kafka.tls) or want another user (kafka.sasl): look at the port in kafka.brokers"
}

func (c *Cluster) certificateHint(err error) string {
	if errors.As(err, new(x509.HostnameError)) {
		return "the broker's certificate is for another name: look at kafka.brokers, or set kafka.tls.server_name"
	}
	if invalid := new(x509.CertificateInvalidError); errors.As(err, invalid) && invalid.Reason == x509.Expired {
		return "the broker's certificate has expired or is not valid yet: renew it, or look at this machine's clock"
	}
	return "the broker's certificate is signed by nobody we trust: look at kafka.tls.ca_file"
}

func isCertificate(err error) bool {
	return errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError)) ||
		errors.As(err, new(x509.CertificateInvalidError)) || errors.As(err, new(*tls.CertificateVerificationError))
}

// isScram reports whether the exchange of a SCRAM password failed on our side: its library has no error
// values.
func isScram(err error) bool {
	s := err.Error()
	return strings.Contains(s, "server error: ") || strings.Contains(s, "server validation failed") || strings.Contains(s, "invalid nonce")
}

func isUnreachable(err error) bool {
	op := new(net.OpError)
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, new(*net.DNSError))
}

func (c *Cluster) addresses() string { return strings.Join(c.Brokers, ", ") }

// kafkaError is the error of a code of the protocol, nil for 0.
func kafkaError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}
