package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/cmd/internal/credentials"
	"github.com/milepost-io/milepost/ingest/certtest"
)

// The command line trusts the one certificate that the configuration names, whatever names are in it, and no
// other of the same authority: its token is for this engine alone.
func TestClientPinsTheCertificate(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.New(t, dir)
	cert, key := ca.Issue("server", "engine", time.Hour)
	ca.Issue("other", "engine", time.Hour)
	own, err := credentials.OpenCertificate(credentials.CertificateOptions{CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.Header.Get("Authorization") != "Bearer secret" {
			t.Error("no token")
		}
		_, _ = w.Write([]byte("{}"))
	}))
	srv.TLS = own.TLS()
	srv.StartTLS()
	defer srv.Close()
	for name, want := range map[string]string{"server": "", "other": "another certificate than http.tls.cert_file"} {
		if err := os.WriteFile(filepath.Join(dir, "milepost.yaml"), []byte("http: {listen: \""+srv.Listener.Addr().String()+"\", tls: {cert_file: "+name+".pem, key_file: "+name+".key}}"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(filepath.Join(dir, "milepost.yaml"), nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := (&session{IO: IO{Env: []string{config.TokenVariable + "=secret"}}}).newClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		switch _, err := c.Status(t.Context()); {
		case want == "" && err != nil:
			t.Error(err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// An engine that listens on all addresses is asked on this machine's own.
func TestEngineAddress(t *testing.T) {
	for listen, want := range map[string]string{
		"0.0.0.0:8443": "127.0.0.1:8443", ":8443": "127.0.0.1:8443", "[::]:8443": "[::1]:8443", "127.0.0.1:8080": "127.0.0.1:8080", "192.0.2.1:8443": "192.0.2.1:8443",
	} {
		cfg := &config.Config{Data: t.TempDir(), HTTP: config.HTTP{Listen: listen}}
		if a, err := engineAddress(cfg); err != nil || a != (app.Addresses{HTTP: want}) {
			t.Errorf("%s: %+v %v", listen, a, err)
		}
	}
}
