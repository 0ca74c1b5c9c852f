//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// engine is a `milepost serve` that can be stopped, killed and started again on the same folder.
type engine struct {
	t          *testing.T
	dir        string
	http, mqtt string
	cmd        *exec.Cmd
	out        *lockedBuffer
	exited     chan struct{}
	// secure is the client of an engine that speaks TLS; nil: plain HTTP.
	secure *http.Client
}

// ask is http.Get of a path of the engine.
func (e *engine) ask(path string) (*http.Response, error) {
	if e.secure != nil {
		return e.secure.Get("https://" + e.http + path)
	}
	return http.Get("http://" + e.http + path)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// binary is the program under test.
func binary(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../../bin/milepost")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	return path
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// newEngine writes a config (extra is appended to it) and rules, and starts nothing.
func newEngine(t *testing.T, extra, ruleFile string) *engine {
	t.Helper()
	e := &engine{t: t, dir: t.TempDir(), http: freeAddr(t), mqtt: freeAddr(t)}
	e.write("milepost.yaml", fmt.Sprintf("source: /milepost/test\ntimezone: Asia/Shanghai\ndata: ./data\nrules: ./rules\nhttp: {listen: %q}\nmqtt: {listen: %q}\n%s\n", e.http, e.mqtt, extra))
	e.write("rules/rules.yaml", ruleFile)
	t.Cleanup(e.kill)
	return e
}

func (e *engine) write(name, content string) {
	e.t.Helper()
	path := filepath.Join(e.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		e.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

// start runs the engine and waits until it is ready.
func (e *engine) start() {
	e.t.Helper()
	e.out = &lockedBuffer{}
	e.cmd = exec.Command(binary(e.t), "serve", "--config", filepath.Join(e.dir, "milepost.yaml"))
	e.cmd.Stdout, e.cmd.Stderr = e.out, e.out
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.exited = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(e.cmd, e.exited)
	e.until("the engine is ready", 10*time.Second, func() bool {
		select {
		case <-e.exited:
			e.t.Fatalf("the engine ended:\n%s", e.out)
		default:
		}
		r, err := e.ask("/-/ready")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// kill ends the process as the power does.
func (e *engine) kill() { e.end(syscall.SIGKILL, 5*time.Second) }

// stop ends it cleanly and says how long that took.
func (e *engine) stop() time.Duration {
	begin := time.Now()
	e.end(syscall.SIGTERM, 10*time.Second)
	return time.Since(begin)
}

func (e *engine) end(sig os.Signal, limit time.Duration) {
	if e.cmd == nil {
		return
	}
	_ = e.cmd.Process.Signal(sig)
	select {
	case <-e.exited:
	case <-time.After(limit):
		_ = e.cmd.Process.Kill()
		<-e.exited
		e.t.Errorf("the engine did not end within %v:\n%s", limit, e.out)
	}
	e.cmd = nil
}

// until polls with a deadline.
func (e *engine) until(what string, limit time.Duration, ok func() bool) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			e.t.Fatalf("not within %v: %s\n%s", limit, what, tail(e.out))
		case <-tick.C:
		}
	}
}

func tail(b *lockedBuffer) string {
	if b == nil {
		return ""
	}
	lines := strings.Split(b.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// post sends events over HTTP and wants 202.
func (e *engine) post(events string) {
	e.t.Helper()
	r, err := http.Post("http://"+e.http+"/api/v1/events", "application/json", strings.NewReader(events))
	if err != nil {
		e.t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusAccepted {
		e.t.Fatalf("POST %s: %s: %s", events, r.Status, body)
	}
}

// run runs the command line against this engine.
func (e *engine) run(args ...string) string {
	e.t.Helper()
	out, err := e.try(args...)
	if err != nil {
		e.t.Fatalf("milepost %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// try is run that may fail; out then holds both outputs.
func (e *engine) try(args ...string) (out string, err error) {
	e.t.Helper()
	cmd := exec.Command(binary(e.t), append(args, "--config", filepath.Join(e.dir, "milepost.yaml"))...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		return string(b) + stderr.String(), err
	}
	return string(b), nil
}

// vehicle is `vehicle show -o json`.
type vehicle struct {
	VIN      string `json:"vin"`
	Odometer struct {
		KM *float64 `json:"km"`
	} `json:"odometer"`
	Items []struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"items"`
}

func (e *engine) vehicle(vin string) vehicle {
	e.t.Helper()
	var v vehicle
	if err := json.Unmarshal([]byte(e.run("vehicle", "show", vin, "-o", "json")), &v); err != nil {
		e.t.Fatal(err)
	}
	return v
}

// counters are those of E5, from the status of the engine.
type counters struct {
	Received, Applied, Duplicate, Late, Quarantined uint64
}

func (e *engine) counters() counters {
	e.t.Helper()
	var s struct {
		Counters counters `json:"counters"`
	}
	if err := json.Unmarshal([]byte(e.run("status", "-o", "json")), &s); err != nil {
		e.t.Fatal(err)
	}
	return s.Counters
}

// settled waits until everything received has been applied.
func (e *engine) settled() counters {
	e.t.Helper()
	var c counters
	e.until("received = applied + duplicate + late + quarantined", 20*time.Second, func() bool {
		c = e.counters()
		return c.Received == c.Applied+c.Duplicate+c.Late+c.Quarantined
	})
	return c
}

// lacks ends a test that this machine cannot run: CI must have all that is needed, elsewhere it is skipped.
func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
