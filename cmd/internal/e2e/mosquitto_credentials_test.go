//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest/certtest"
)

// TestMosquittoCredentials: TLS with a client certificate and a password; and what is said when one of them
// is wrong, which names the key to mend. A mended password needs no restart.
func TestMosquittoCredentials(t *testing.T) {
	dir := t.TempDir()
	ca, other := certtest.New(t, dir), certtest.New(t, t.TempDir())
	cert, key := ca.Issue("server", "broker", time.Hour)
	clientCert, clientKey := ca.Issue("client", "engine", time.Hour)
	strangerCert, strangerKey := other.Issue("client", "engine", time.Hour)
	passwords := filepath.Join(dir, "passwords")
	if out, err := exec.Command("mosquitto_passwd", "-c", "-b", passwords, "milepost", "correct horse").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m := newMosquitto(t, fmt.Sprintf("cafile %s\ncertfile %s\nkeyfile %s\nrequire_certificate true\nallow_anonymous false\npassword_file %s", ca.File, cert, key, passwords))

	config := func(extra string) string {
		return fmt.Sprintf("{url: %q, username: milepost, password_file: ./password, tls: {%s}}", "tls://"+m.addr, extra)
	}
	e := newEngineAt(t, config(fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q", ca.File, clientCert, clientKey)), "", tenThousand)
	e.write("password", "wrong\n")
	e.start()
	e.until("the status says what is wrong", 30*time.Second, func() bool {
		return strings.Contains(e.source().Trouble, "mqtt.connect.username, password_file")
	})
	if !strings.Contains(e.run("status"), "mqtt.connect.username, password_file") || strings.Contains(e.out.String(), "wrong\\n") {
		t.Fatal(e.run("status"))
	}
	e.write("password", "correct horse\n")
	e.subscribed(1)
	e.stop()

	for _, x := range []struct{ name, tls, want string }{
		{"no authority", fmt.Sprintf("cert_file: %q, key_file: %q", clientCert, clientKey), "mqtt.connect.tls.ca_file"},
		{"another authority", fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q", other.File, clientCert, clientKey), "mqtt.connect.tls.ca_file"},
		{"another name", fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q, server_name: broker.example", ca.File, clientCert, clientKey), "mqtt.connect.tls.server_name"},
		{"no certificate", fmt.Sprintf("ca_file: %q", ca.File), "mqtt.connect.tls.cert_file"},
		{"a stranger's certificate", fmt.Sprintf("ca_file: %q, cert_file: %q, key_file: %q", ca.File, strangerCert, strangerKey), "mqtt.connect.tls.cert_file"},
	} {
		t.Run(x.name, func(t *testing.T) {
			e := newEngineAt(t, config(x.tls), "", tenThousand)
			e.write("password", "correct horse\n")
			e.start()
			e.until("the status says what is wrong", 30*time.Second, func() bool { return strings.Contains(e.source().Trouble, x.want) })
			if n := strings.Count(e.out.String(), x.want); n != 1 {
				t.Fatalf("%q stands %d times in the log:\n%s", x.want, n, e.out)
			}
		})
	}

	t.Run("no TLS", func(t *testing.T) {
		e := newEngineAt(t, m.plain(), "", tenThousand)
		e.start()
		e.until("the status says what is wrong", 30*time.Second, func() bool { return strings.Contains(e.source().Trouble, "does it want TLS") })
	})
	t.Run("expired", func(t *testing.T) {
		cert, key := ca.Issue("expired", "broker", -time.Minute)
		m := newMosquitto(t, fmt.Sprintf("cafile %s\ncertfile %s\nkeyfile %s", ca.File, cert, key))
		e := newEngineAt(t, fmt.Sprintf("{url: %q, tls: {ca_file: %q}}", "tls://"+m.addr, ca.File), "", tenThousand)
		e.start()
		e.until("the status says what is wrong", 30*time.Second, func() bool { return strings.Contains(e.source().Trouble, "has expired") })
	})
	t.Run("TLS where there is none", func(t *testing.T) {
		m := newMosquitto(t, "")
		e := newEngineAt(t, fmt.Sprintf("{url: %q}", "tls://"+m.addr), "", tenThousand)
		e.start()
		e.until("the status says what is wrong", 30*time.Second, func() bool { return strings.Contains(e.source().Trouble, "mqtt.connect.url") })
	})
}

// TestMosquittoTwoEngines: under one client id they throw each other out, and both say so.
func TestMosquittoTwoEngines(t *testing.T) {
	m := newMosquitto(t, "")
	a, b := newEngineAt(t, m.plain(), "", tenThousand), newEngineAt(t, m.plain(), "", tenThousand)
	a.start()
	b.start()
	for _, e := range []*engine{a, b} {
		e.until("it says so", 60*time.Second, func() bool {
			return strings.Contains(e.out.String(), `is another client connected as mqtt.connect.client_id \"milepost\"`)
		})
	}
}
