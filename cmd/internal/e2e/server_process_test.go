//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// serverLimit is how long a server may take to start or to end before the test says so.
const serverLimit = 60 * time.Second

// serverProcess is a real server that a test starts, kills and starts again: Kafka, Mosquitto. What it says is
// appended to a file. Its methods are called by one goroutine at a time.
type serverProcess struct {
	name    string
	argv    []string
	logFile string
	// started tells whether what this start has said so far means that the server is ready.
	started func(said []byte) bool

	cmd    *exec.Cmd
	exited chan struct{}
}

var errEnded = errors.New("the server ended")

// start runs the server and waits until it is ready.
func (p *serverProcess) start() error {
	out, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	before, err := out.Seek(0, 2)
	if err != nil {
		return err
	}
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = serverAttr()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	p.cmd, p.exited = cmd, exited
	deadline := time.Now().Add(serverLimit)
	for time.Now().Before(deadline) {
		said, err := os.ReadFile(p.logFile)
		if err == nil && p.started(said[min(before, int64(len(said))):]) {
			return nil
		}
		select {
		case <-exited:
			p.cmd = nil
			return fmt.Errorf("%s: %w:\n%s", p.name, errEnded, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.end(syscall.SIGKILL)
	return fmt.Errorf("%s was not ready within %v:\n%s", p.name, serverLimit, p.tail())
}

// end signals the server and waits until it is gone; one that ignores the signal is killed.
func (p *serverProcess) end(sig os.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.exited:
	case <-time.After(serverLimit):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	p.cmd = nil
}

func (p *serverProcess) tail() []byte {
	said, _ := os.ReadFile(p.logFile)
	lines := bytes.SplitAfter(said, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-40):], nil)
}

// Kill ends the server as a power failure of its process does: kill -9.
func (p *serverProcess) Kill() { p.end(syscall.SIGKILL) }

// Stop ends it cleanly.
func (p *serverProcess) Stop() { p.end(syscall.SIGTERM) }

// Start runs it again on the same files and addresses after Kill or Stop.
func (p *serverProcess) Start(t testing.TB) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

// Restart kills it and runs it again. Kafka then waits 3 s until its registration of before has run out.
func (p *serverProcess) Restart(t testing.TB) {
	t.Helper()
	p.Kill()
	p.Start(t)
}

// ownedBy ends the server with the test and shows what it said if the test failed.
func (p *serverProcess) ownedBy(t testing.TB) {
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.tail())
		}
	})
}

// serverPort is a free port below those the system gives to outgoing connections: of those, a client that keeps
// dialling a server which is down could be given the server's port and meet itself.
func serverPort() (int, error) {
	for range 100 {
		port := 10240 + rand.IntN(20000)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port found on 127.0.0.1")
}
