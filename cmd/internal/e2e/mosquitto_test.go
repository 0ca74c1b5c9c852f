//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// mosquitto is a real Mosquitto that keeps what it took over restarts.
type mosquitto struct {
	t         *testing.T
	dir, addr string
	cmd       *exec.Cmd
	out       *lockedBuffer
	exited    chan struct{}
}

// newMosquitto starts a broker; extra is appended to its configuration.
func newMosquitto(t *testing.T, extra string) *mosquitto {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			t.Fatal("mosquitto is not installed: .ci/e2e-deps")
		}
	}
	m := &mosquitto{t: t, dir: t.TempDir(), addr: freeAddr(t)}
	_, port, _ := net.SplitHostPort(m.addr)
	conf := fmt.Sprintf("listener %s 127.0.0.1\nuser root\npersistence true\npersistence_location %s/\nmax_queued_messages 0\nmax_inflight_messages 100\n%s\n", port, m.dir, extra)
	if !strings.Contains(extra, "allow_anonymous") {
		conf += "allow_anonymous true\n"
	}
	if err := os.WriteFile(filepath.Join(m.dir, "mosquitto.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.stop)
	m.start(path)
	return m
}

func (m *mosquitto) start(path string) {
	m.t.Helper()
	m.out = &lockedBuffer{}
	m.cmd = exec.Command(path, "-c", filepath.Join(m.dir, "mosquitto.conf"))
	m.cmd.Stdout, m.cmd.Stderr = m.out, m.out
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.exited = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(m.cmd, m.exited)
	(&engine{t: m.t, out: m.out}).until("mosquitto listens", 30*time.Second, func() bool {
		select {
		case <-m.exited:
			m.t.Fatalf("mosquitto ended:\n%s", m.out)
		default:
		}
		c, err := net.Dial("tcp", m.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// stop ends the broker in order: it writes what it keeps.
func (m *mosquitto) stop() {
	if m.cmd == nil {
		return
	}
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-m.exited:
	case <-time.After(10 * time.Second):
		_ = m.cmd.Process.Kill()
		<-m.exited
	}
	m.cmd = nil
}

func (m *mosquitto) restart() {
	m.t.Helper()
	path := m.cmd.Path
	m.stop()
	m.start(path)
}

// pub is mosquitto_pub.
func (m *mosquitto) pub(args ...string) {
	m.t.Helper()
	host, port, _ := net.SplitHostPort(m.addr)
	if out, err := exec.Command("mosquitto_pub", append([]string{"-h", host, "-p", port}, args...)...).CombinedOutput(); err != nil {
		m.t.Fatalf("mosquitto_pub %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// publisher connects a client that has every publish acknowledged.
func (m *mosquitto) publisher() mqtt.Client {
	m.t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + m.addr).SetClientID("publisher").SetOrderMatters(true))
	if tok := c.Connect(); !tok.WaitTimeout(30*time.Second) || tok.Error() != nil {
		m.t.Fatal(tok.Error())
	}
	m.t.Cleanup(func() { c.Disconnect(100) })
	return c
}

// newEngineAt is newEngine with mqtt.connect instead of the embedded broker.
func newEngineAt(t *testing.T, connect, extra, ruleFile string) *engine {
	t.Helper()
	e := newEngine(t, "", ruleFile)
	e.write("milepost.yaml", fmt.Sprintf("source: /milepost/test\nhttp: {listen: %q}\nmqtt:\n  connect: %s\n%s\n", e.http, connect, extra))
	return e
}

// plain is mqtt.connect at this broker with nothing else.
func (m *mosquitto) plain() string { return fmt.Sprintf("{url: %q}", "mqtt://"+m.addr) }

// sourceStatus is the source mqtt.connect of `milepost status -o json`.
type sourceStatus struct {
	Name        string
	Connections int
	Received    int
	Reconnects  int
	Trouble     string
}
