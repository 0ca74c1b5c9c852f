package credentials

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest/certtest"
)

// shown is the common name that a listener with this configuration shows to a client.
func shown(t *testing.T, server *tls.Config, client *tls.Config) (string, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer nc.Close()
		done <- tls.Server(nc, server).Handshake()
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := tls.Client(nc, client)
	err = errors.Join(c.Handshake(), <-done)
	if err != nil {
		return "", err
	}
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

func trusting(pool *x509.CertPool, certs ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: certs, MinVersion: tls.VersionTLS12}
}

func TestCertificateIsReadAgain(t *testing.T) {
	ca := certtest.New(t, t.TempDir())
	cert, key := ca.Issue("server", "first", time.Hour)
	c, err := OpenCertificate(CertificateOptions{Key: "http.tls", CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	listening := c.TLS() // as a listener holds it: made once
	if name, err := shown(t, listening, trusting(ca.Pool())); name != "first" {
		t.Fatal(name, err)
	}
	before, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	ca.Issue("server", "second", time.Hour)
	after, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	// The certificate has been replaced, its key not yet: the pair of before serves on.
	if err := os.WriteFile(key, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Load(); err == nil || !strings.Contains(err.Error(), "http.tls: certificate "+cert) {
		t.Error(err)
	}
	if name, err := shown(t, listening, trusting(ca.Pool())); name != "first" {
		t.Fatal(name, err)
	}
	if err := os.WriteFile(key, after, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Load(); err != nil {
		t.Fatal(err)
	}
	if name, err := shown(t, listening, trusting(ca.Pool())); name != "second" {
		t.Fatal(name, err)
	}
}

func TestClientCertificatesAreAskedFor(t *testing.T) {
	ca, stranger := certtest.New(t, t.TempDir()), certtest.New(t, t.TempDir())
	cert, key := ca.Issue("server", "broker", time.Hour)
	mine, others := ca.Pair("client", "V1"), stranger.Pair("client", "V1")
	for _, optional := range []bool{false, true} {
		c, err := OpenCertificate(CertificateOptions{Key: "mqtt.tls", CertFile: cert, KeyFile: key, ClientCAFile: ca.File, ClientOptional: optional})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shown(t, c.TLS(), trusting(ca.Pool(), mine)); err != nil {
			t.Error(err)
		}
		if _, err := shown(t, c.TLS(), trusting(ca.Pool())); (err == nil) != optional {
			t.Errorf("without a certificate, optional %v: %v", optional, err)
		}
		forced := trusting(ca.Pool())
		forced.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &others, nil }
		if _, err := shown(t, c.TLS(), forced); err == nil {
			t.Errorf("a stranger's certificate, optional %v", optional)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	ca := certtest.New(t, t.TempDir())
	cert, key := ca.Issue("server", "broker", time.Hour)
	c, err := OpenCertificate(CertificateOptions{CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	old := trusting(ca.Pool())
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := shown(t, c.TLS(), old); err == nil {
		t.Error("TLS 1.1")
	}
}

func TestCertificateMistakes(t *testing.T) {
	ca := certtest.New(t, t.TempDir())
	cert, key := ca.Issue("server", "broker", time.Hour)
	for _, x := range []struct {
		o    CertificateOptions
		want string
	}{
		{CertificateOptions{Key: "http.tls", CertFile: "none.pem", KeyFile: key}, "http.tls: certificate none.pem with key"},
		{CertificateOptions{Key: "http.tls", CertFile: cert, KeyFile: cert}, "http.tls: certificate"},
		{CertificateOptions{Key: "mqtt.tls", CertFile: cert, KeyFile: key, ClientCAFile: key}, "mqtt.tls.client_ca_file: " + key + ": no PEM certificate"},
		{CertificateOptions{Key: "mqtt.tls", CertFile: cert, KeyFile: key, ClientCAFile: "none"}, "mqtt.tls.client_ca_file: open none"},
	} {
		if _, err := OpenCertificate(x.o); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v, want %s", err, x.want)
		}
	}
}

// A change is taken when two looks have seen the same, a mistake is told once, and what was read stays.
func TestWatch(t *testing.T) {
	path := write(t, "tokens", "a read secret-1\n")
	tokens, err := OpenTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	log, changed := &bytes.Buffer{}, 0
	w := NewWatch(zerolog.New(log), []Watched{{Name: "http.tokens_file", What: tokens, Private: []string{path}, Changed: func() { changed++ }}}, nil)
	known := func(secret string) bool { _, ok := tokens.Find(secret); return ok }
	now := time.Now()

	rewrite(t, path, "a read secret-number-2\n")
	w.look(now)
	if known("secret-number-2") {
		t.Error("taken at the first look: it may be half written")
	}
	w.look(now)
	if !known("secret-number-2") || known("secret-1") || changed != 2 {
		t.Errorf("not taken: %s, changed %d", log, changed)
	}
	rewrite(t, path, "a read\n")
	for range 5 {
		w.look(now)
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 || !known("secret-number-2") {
		t.Errorf("told %d times: %s", n, log)
	}
	if err := w.Reload(); err == nil {
		t.Error("asked to reload a bad file, nothing is said")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("a read secret-3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(); err != nil || !known("secret-3") {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "others may read "+path+" (mode 0644): chmod 600") {
		t.Errorf("the lax mode is not told: %s", log)
	}
}

func TestExpiryIsTold(t *testing.T) {
	ca := certtest.New(t, t.TempDir())
	cert, key := ca.Issue("server", "broker", 20*24*time.Hour)
	c, err := OpenCertificate(CertificateOptions{Key: "mqtt.tls", CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	w := NewWatch(zerolog.New(log), nil, []*Certificate{c})
	now := time.Now()
	w.look(now)
	if log.Len() != 0 {
		t.Errorf("20 days before: %s", log)
	}
	w.look(now.Add(7 * 24 * time.Hour))
	w.look(now.Add(7*24*time.Hour + time.Hour))
	if n := strings.Count(log.String(), "mqtt.tls: the certificate ends in 13 days"); n != 1 {
		t.Errorf("%d times: %s", n, log)
	}
	w.look(now.Add(21 * 24 * time.Hour))
	if !strings.Contains(log.String(), "mqtt.tls: the certificate has ended") {
		t.Errorf("%s", log)
	}
}
