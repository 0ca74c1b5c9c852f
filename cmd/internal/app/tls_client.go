package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/milepost-io/milepost/cmd/internal/config"
)

// clientTLS is how a connection to somebody else's server is secured: nil when TLS is neither enabled nor
// implied by one of the files. An address that implies TLS (tls://) is for the caller to see: with nil it
// takes the system's authorities. at is the section of the configuration, "mqtt.connect.tls"; it stands in
// every error.
//
// The client certificate is read again at each handshake, so that a renewed one needs no restart.
func clientTLS(at string, c config.TLSClient) (*tls.Config, error) {
	if !c.Enabled && c.CAFile == "" && c.CertFile == "" && c.ServerName == "" {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%s.ca_file: %w", at, err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s.ca_file: %s holds no PEM certificate (expected -----BEGIN CERTIFICATE-----)", at, c.CAFile)
		}
	}
	if c.CertFile != "" {
		load := func() (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("%s.cert_file, key_file: %w", at, err)
			}
			return &cert, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return t, nil
}

// readPassword returns the first line of a password file. key is the key of the configuration that names
// the file, "mqtt.connect.password_file"; an empty path is an empty password.
func readPassword(key, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("%s: the first line of %s is empty (expected the password in it)", key, path)
	}
	return line, nil
}
