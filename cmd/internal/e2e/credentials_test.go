//go:build e2e

package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest/certtest"
)

// TestCredentials runs the engine on all addresses, with TLS, users and tokens, against Mosquitto's own
// client: cars come by password and by certificate and speak for themselves alone; who is blocked is let go,
// and certificate, users and tokens are replaced while the engine runs.
func TestCredentials(t *testing.T) {
	mosquitto, err := exec.LookPath("mosquitto_pub")
	if err != nil {
		lacks(t, "no mosquitto_pub in PATH: apt-get install mosquitto-clients")
	}
	e := newEngine(t, "", "")
	ca := certtest.New(t, e.dir)
	ca.Issue("server", "milepost", time.Hour)
	ca.Issue("car", "V2", time.Hour)
	secret := e.addUser("V1", "vehicle")
	gateway := e.addUser("gw", "gateway")
	e.write("tokens", "crm events events-0123456789abcdef\nops admin admin-0123456789abcdef\n")
	_, httpPort, _ := net.SplitHostPort(e.http)
	_, mqttPort, _ := net.SplitHostPort(e.mqtt)
	e.write("milepost.yaml", fmt.Sprintf(`
http: {listen: "0.0.0.0:%s", tokens_file: tokens, tls: {cert_file: server.pem, key_file: server.key}}
mqtt: {listen: "0.0.0.0:%s", users_file: users, tls: {cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem}}
`, httpPort, mqttPort))
	e.secure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
	e.start()

	pub := func(args ...string) error {
		cmd := exec.Command(mosquitto, append([]string{"-h", "127.0.0.1", "-p", mqttPort, "-q", "1", "--cafile", ca.File}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
		return nil
	}
	event := func(vin string) []string {
		return []string{"-t", "vehicles/" + vin + "/telemetry", "-m", `{"type":"telemetry","signals":{"odometer":100}}`}
	}
	password := func(user, secret string) []string { return []string{"-u", user, "-P", secret} }
	certificate := []string{"--cert", filepath.Join(e.dir, "car.pem"), "--key", filepath.Join(e.dir, "car.key")}
	for _, x := range []struct {
		name  string
		as    []string
		vin   string
		taken bool
	}{
		{"password", password("V1", secret), "V1", true},
		{"certificate", certificate, "V2", true},
		{"gateway", password("gw", gateway), "V3", true},
		{"another car, acknowledged and quarantined", password("V1", secret), "V9", true},
		{"another car by certificate", certificate, "V9", true},
		{"wrong password", password("V1", gateway), "V1", false},
		{"nobody", nil, "V1", false},
	} {
		if err := pub(append(event(x.vin), x.as...)...); (err == nil) != x.taken {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	if cmd := exec.Command(mosquitto, append([]string{"-h", "127.0.0.1", "-p", mqttPort}, event("V1")...)...); cmd.Run() == nil {
		t.Error("plain MQTT was taken")
	}

	// The command line has the certificate and the tokens from the configuration.
	var st struct {
		Counters struct{ Received, Applied, Quarantined uint64 }
		Sources  []struct {
			Name      string
			Offenders []struct {
				Client   string
				Messages int
			}
		}
	}
	e.until("five messages have their outcome", 30*time.Second, func() bool {
		if err := json.Unmarshal([]byte(e.run("status", "-o", "json")), &st); err != nil {
			t.Fatal(err)
		}
		return st.Counters.Applied == 3 && st.Counters.Quarantined == 2
	})
	if list := e.run("deadletter", "list", "-o", "json"); strings.Count(list, `"reason": "wrong_client"`) != 2 || !strings.Contains(list, `mqtt client V1 may not publish to topic \"vehicles/V9/telemetry\"`) {
		t.Errorf("dead letters: %s", list)
	}
	if out := e.run("status"); !strings.Contains(out, "client V1 published 1 for other vehicles") {
		t.Errorf("status: %s", out)
	}
	metrics := e.get("/metrics", "admin-0123456789abcdef", http.StatusOK)
	for _, want := range []string{`milepost_security_refused_total{listener="mqtt",reason="wrong_client"} 2`, `milepost_tls_certificate_expiry_timestamp_seconds{key="mqtt.tls"} `} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics have no %s", want)
		}
	}
	e.get("/metrics", "", http.StatusUnauthorized)
	e.get("/api/v1/status", "events-0123456789abcdef", http.StatusForbidden)
	e.get("/", "", http.StatusOK)

	// All three are replaced while the engine runs.
	ca.Issue("server", "renewed", time.Hour)
	e.until("the new certificate is shown", 30*time.Second, func() bool {
		c, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", mqttPort), &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName == "renewed"
	})
	users, err := os.ReadFile(filepath.Join(e.dir, "users"))
	if err != nil {
		t.Fatal(err)
	}
	e.write("users", strings.Replace(string(users), "V1 vehicle ", "V1 blocked ", 1)+"V2 blocked -\n")
	e.write("tokens", "ops admin renewed-0123456789abcdef\n")
	e.until("the blocked are refused", 30*time.Second, func() bool {
		return pub(append(event("V1"), password("V1", secret)...)...) != nil && pub(append(event("V2"), certificate...)...) != nil
	})
	e.until("the old token is refused", 30*time.Second, func() bool {
		r, err := e.as("/metrics", "admin-0123456789abcdef")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusUnauthorized
	})
	if out := e.run("status"); !strings.Contains(out, "ready") {
		t.Errorf("status after the renewal: %s", out)
	}
	if err := pub(append(event("V3"), password("gw", gateway)...)...); err != nil {
		t.Error(err)
	}
	e.stop()
	if log := e.out.String(); strings.Contains(log, secret) || strings.Contains(log, "0123456789abcdef") {
		t.Error("a secret is in the log")
	}
}

// addUser adds a line of `milepost password` to the users file and returns the secret.
func (e *engine) addUser(name, role string) string {
	e.t.Helper()
	var secret bytes.Buffer
	cmd := exec.Command(binary(e.t), "password", name, role)
	cmd.Stderr = &secret
	line, err := cmd.Output()
	if err != nil {
		e.t.Fatalf("%v\n%s", err, secret.String())
	}
	before, _ := os.ReadFile(filepath.Join(e.dir, "users")) // none at first
	e.write("users", string(before)+string(line))
	return strings.TrimSpace(secret.String())
}

// as asks the engine with a token.
func (e *engine) as(path, token string) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, "https://"+e.http+path, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return e.secure.Do(req)
}

// get asks the engine with a token and wants a status.
func (e *engine) get(path, token string, status int) string {
	e.t.Helper()
	r, err := e.as(path, token)
	if err != nil {
		e.t.Fatal(err)
	}
	defer r.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		e.t.Fatal(err)
	}
	if r.StatusCode != status {
		e.t.Errorf("%s: %s, want %d: %s", path, r.Status, status, body.String())
	}
	return body.String()
}
