//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mosquittoOptions are those of a Mosquitto with one listener on loopback.
type mosquittoOptions struct {
	// Users are passwords by name; without any, everybody may connect.
	Users map[string]string
	// TLS gives the listener a certificate for localhost and 127.0.0.1.
	TLS bool
	// ClientCertificates makes it demand one of the client, whose common name becomes the user's.
	ClientCertificates bool
	// Conf are further lines of mosquitto.conf, such as max_inflight_messages 1000.
	Conf string
}

// mosquittoBroker is a real Mosquitto. It writes sessions and queues to the disk each second and when it is
// stopped, so that Restart loses nothing; a message that it acknowledged within the second before Kill is lost by
// Mosquitto itself.
type mosquittoBroker struct {
	serverProcess
	address, dir string
}

// startMosquitto runs a broker of the test's own.
func startMosquitto(t testing.TB, o mosquittoOptions) *mosquittoBroker {
	t.Helper()
	for try := 1; ; try++ {
		b := &mosquittoBroker{dir: t.TempDir()}
		b.configure(t, o)
		b.serverProcess = serverProcess{
			name: "Mosquitto", argv: []string{lookServer(t, "mosquitto"), "-c", filepath.Join(b.dir, "mosquitto.conf")},
			logFile: filepath.Join(b.dir, "mosquitto.log"),
			started: func(said []byte) bool { return contains(said, " running") },
		}
		err := b.start()
		if err == nil {
			b.ownedBy(t)
			return b
		}
		if !contains(b.tail(), "Address already in use") || try == 5 {
			t.Fatal(err)
		}
	}
}

func (b *mosquittoBroker) configure(t testing.TB, o mosquittoOptions) {
	t.Helper()
	port, err := serverPort()
	if err != nil {
		t.Fatal(err)
	}
	b.address = fmt.Sprintf("127.0.0.1:%d", port)
	conf := []string{
		"per_listener_settings false", "log_dest stderr", "persistence true", "persistence_location " + b.dir + "/",
		"autosave_interval 1", "max_queued_messages 0",
		fmt.Sprintf("listener %d 127.0.0.1", port),
	}
	if os.Getuid() == 0 {
		conf = append(conf, "user root") // or it gives up its rights and cannot write into the test's folder
	}
	if len(o.Users) == 0 {
		conf = append(conf, "allow_anonymous true")
	} else {
		conf = append(conf, "allow_anonymous false", "password_file "+b.passwords(t, o.Users))
	}
	if o.TLS || o.ClientCertificates {
		dir := filepath.Join(b.dir, "tls")
		if out, err := exec.Command(kafkaScript, "certificates", dir).CombinedOutput(); err != nil {
			t.Fatalf("deploy/local/kafka certificates: %v\n%s", err, out)
		}
		conf = append(conf, "cafile "+dir+"/ca.pem", "certfile "+dir+"/server-cert.pem", "keyfile "+dir+"/server-key.pem")
	}
	if o.ClientCertificates {
		conf = append(conf, "require_certificate true", "use_identity_as_username true")
	}
	conf = append(conf, o.Conf, "")
	if err := os.WriteFile(filepath.Join(b.dir, "mosquitto.conf"), []byte(strings.Join(conf, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *mosquittoBroker) passwords(t testing.TB, users map[string]string) string {
	t.Helper()
	file := filepath.Join(b.dir, "passwords")
	tool := lookServer(t, "mosquitto_passwd")
	args := []string{"-c", "-b", file}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		if out, err := exec.Command(tool, append(args, name, users[name])...).CombinedOutput(); err != nil {
			t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
		}
		args = []string{"-b", file}
	}
	return file
}

// Addr is host:port of its listener.
func (b *mosquittoBroker) Addr() string { return b.address }

// CA is the file of the authority that signed its certificate.
func (b *mosquittoBroker) CA() string { return filepath.Join(b.dir, "tls", "ca.pem") }

// ClientCertificate is a certificate that it accepts, of common name "client", and its key.
func (b *mosquittoBroker) ClientCertificate() (cert, key string) {
	return filepath.Join(b.dir, "tls", "client-cert.pem"), filepath.Join(b.dir, "tls", "client-key.pem")
}

// Restart stops it cleanly and runs it again.
func (b *mosquittoBroker) Restart(t testing.TB) {
	t.Helper()
	b.Stop()
	b.Start(t)
}

// lookServer finds a program of a server also where only root's PATH has it.
func lookServer(t testing.TB, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("%s is missing: run .ci/e2e-deps, or on Debian or Ubuntu: sudo apt-get install mosquitto", name)
	return ""
}

func contains(said []byte, what string) bool { return bytes.Contains(said, []byte(what)) }
