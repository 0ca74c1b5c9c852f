package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/cmd/internal/credentials"
)

// newClient asks the engine that runs with a configuration, as whoever the session has a token of.
func (s *session) newClient(cfg *config.Config) (*client, error) {
	addr, err := engineAddress(cfg)
	if err != nil {
		return nil, err
	}
	token, err := s.token(cfg)
	if err != nil {
		return nil, err
	}
	c := &client{base: "http://" + addr.HTTP, token: token}
	if addr.TLS {
		pinned, err := pin(cfg.HTTP.TLS.CertFile)
		if err != nil {
			return nil, err
		}
		c.base, c.http.Transport = "https://"+addr.HTTP, &http.Transport{TLSClientConfig: pinned}
	}
	return c, nil
}

// engineAddress is where the engine of a configuration answers: what it wrote into its folder when the
// port was chosen for it, else what the configuration says.
func engineAddress(cfg *config.Config) (app.Addresses, error) {
	a, err := app.ReadAddresses(cfg.Data)
	if err != nil {
		if _, port, err := net.SplitHostPort(cfg.HTTP.Listen); err != nil || port == "0" {
			return a, fmt.Errorf("no engine runs on %s (use --offline to look into a stopped one's folder)", cfg.Data)
		}
		a = app.Addresses{HTTP: cfg.HTTP.Listen, TLS: cfg.HTTP.TLS.CertFile != ""}
	}
	// An engine that listens on all addresses is asked on this machine's own.
	host, port, err := net.SplitHostPort(a.HTTP)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		a.HTTP = net.JoinHostPort("127.0.0.1", port)
		if ip != nil && ip.To4() == nil {
			a.HTTP = net.JoinHostPort("::1", port)
		}
	}
	return a, nil
}

// token is what the command line shows: --token-file, else MILEPOST_TOKEN, else the first admin (or read)
// token of the configuration's tokens file. Without any of them nobody needs one.
func (s *session) token(cfg *config.Config) (string, error) {
	if s.tokenFile != "" {
		b, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
		if first = strings.TrimSpace(first); first == "" || strings.ContainsAny(first, " \t") {
			return "", fmt.Errorf("--token-file %s: expected a token in its first line, and nothing else there", s.tokenFile)
		}
		return first, nil
	}
	for _, kv := range s.Env {
		if v, ok := strings.CutPrefix(kv, config.TokenVariable+"="); ok && v != "" {
			return v, nil
		}
	}
	if cfg.HTTP.TokensFile == "" {
		return "", nil
	}
	token, err := credentials.Own(cfg.HTTP.TokensFile)
	if errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("%w; show a token of your own with --token-file or %s", err, config.TokenVariable)
	}
	return token, err
}

// pin trusts the one certificate that the configuration names and no other: the command line asks an engine
// whose files it has, by an address that need not be among the certificate's names.
func pin(certFile string) (*tls.Config, error) {
	b, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("http.tls.cert_file: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("http.tls.cert_file %s: no PEM certificate in it", certFile)
	}
	own, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("http.tls.cert_file %s: %w", certFile, err)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is stricter: this very certificate
		VerifyConnection: func(st tls.ConnectionState) error {
			if len(st.PeerCertificates) == 0 || !bytes.Equal(st.PeerCertificates[0].Raw, own.Raw) {
				return fmt.Errorf("the engine shows another certificate than http.tls.cert_file (%s); if it has just been replaced, the engine takes it within seconds", certFile)
			}
			return nil
		},
	}, nil
}
