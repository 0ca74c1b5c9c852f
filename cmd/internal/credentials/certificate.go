package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// CertificateOptions name the files of something that listens.
type CertificateOptions struct {
	// Key is the section of the configuration, "http.tls", as errors say it.
	Key string
	// CertFile and KeyFile are its own certificate chain and key, PEM.
	CertFile, KeyFile string
	// ClientCAFile holds the authorities of client certificates, PEM; "" asks for none. With ClientOptional
	// a client may also come without.
	ClientCAFile   string
	ClientOptional bool
	// Protocols are what TLS negotiates (ALPN); nil: nothing.
	Protocols []string
}

// Certificate is the identity of something that listens, which may be read again while it is in use.
// Methods may be called concurrently.
type Certificate struct {
	opts CertificateOptions
	now  atomic.Pointer[tls.Config]
}

// OpenCertificate reads the files.
func OpenCertificate(o CertificateOptions) (*Certificate, error) {
	c := &Certificate{opts: o}
	return c, c.Load()
}

// Load reads the files again. On an error, such as a certificate whose key has not been replaced yet, those
// of before stay.
func (c *Certificate) Load() error {
	pair, err := tls.LoadX509KeyPair(c.opts.CertFile, c.opts.KeyFile)
	if err != nil {
		return fmt.Errorf("%s: certificate %s with key %s: %w", c.opts.Key, c.opts.CertFile, c.opts.KeyFile, err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: c.opts.Protocols}
	if c.opts.ClientCAFile != "" {
		b, err := os.ReadFile(c.opts.ClientCAFile)
		if err != nil {
			return fmt.Errorf("%s.client_ca_file: %w", c.opts.Key, err)
		}
		cfg.ClientCAs = x509.NewCertPool()
		if !cfg.ClientCAs.AppendCertsFromPEM(b) {
			return fmt.Errorf("%s.client_ca_file: %s: no PEM certificate in it", c.opts.Key, c.opts.ClientCAFile)
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		if c.opts.ClientOptional {
			cfg.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	c.now.Store(cfg)
	return nil
}

// Files are what Load reads.
func (c *Certificate) Files() []string {
	files := []string{c.opts.CertFile, c.opts.KeyFile}
	if c.opts.ClientCAFile != "" {
		files = append(files, c.opts.ClientCAFile)
	}
	return files
}

// TLS is the configuration of a listener: each handshake takes the files as last read. TLS 1.2 and 1.3.
func (c *Certificate) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: c.opts.Protocols,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.now.Load(), nil },
	}
}

// NotAfter is when the certificate ends.
func (c *Certificate) NotAfter() time.Time { return c.now.Load().Certificates[0].Leaf.NotAfter }

// Key is the section of the configuration.
func (c *Certificate) Key() string { return c.opts.Key }
