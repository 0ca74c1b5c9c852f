//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	smallDisk = 64 << 20
	// resumeWithin is what the engine promises after room was made.
	resumeWithin = 30 * time.Second
)

// TestDiskFull has an engine on a file system of 64 MiB: somebody else's files and its own fill it, it is
// killed while it is full, room is made, and in the end everything published is there once.
func TestDiskFull(t *testing.T) {
	e := newEngine(t, "disk_reserve: 4MiB\nwrite_back: 1s", "rules:\n  - {id: hot, when: coolant_temp > 110, severity: warning}\n")
	mountSmall(t, e, filepath.Join(e.dir, "data"))
	e.start()
	cars := newSteady(e, "car", func(i, n int) (topic, payload string) {
		return fmt.Sprintf("vehicles/C%02d/telemetry", i), fmt.Sprintf(`{"type":"telemetry","vin":"C%02d","time":%d,"signals":{"odometer":%d}}`, i, time.Now().UnixMilli(), n)
	})
	cars.run(4)

	// The recording goes before intake does.
	e.until("some megabytes are recorded", 60*time.Second, func() bool { return e.diskStatus().Journal > 3<<20 })
	e.fill("foreign", e.diskStatus().Free-3<<20)
	e.until("the log has given up what only journal.keep kept", resumeWithin, func() bool {
		d := e.diskStatus()
		return e.metric("milepost_journal_shed_segments_total") > 0 && d.Stopped == "" && d.Free > 4<<20
	})
	cars.moves("after the log was shortened", resumeWithin)
	e.empty("foreign")

	// Its own store fills the disk: dead letters, which are kept for 30 days.
	e.fill("ballast", 8<<20)
	junk := newSteady(e, "junk", func(i, n int) (string, string) {
		b := make([]byte, 36<<10)
		_, _ = rand.Read(b)
		return fmt.Sprintf("vehicles/J%02d/telemetry", i), base64.StdEncoding.EncodeToString(b)
	})
	junk.hasty.Store(true)
	junk.run(4)
	e.until("intake stops for good", 180*time.Second, func() bool { d := e.diskStatus(); return d.Stopped != "" && d.Free < 4<<20 })
	junk.stop()
	e.stoppedAndReadable()
	cars.stands()

	// Killed while there is nearly no room, it comes up, says the same and stays readable.
	e.kill()
	e.launch()
	e.until("the console answers", 30*time.Second, func() bool { return e.body("/api/v1/status") != "" })
	e.until("intake has stopped again", 30*time.Second, func() bool { return e.diskStatus().Stopped != "" })
	e.stoppedAndReadable()

	e.empty("ballast")
	e.until("it is ready after room was made", resumeWithin, func() bool { return e.status("/-/ready") == http.StatusOK })
	cars.moves("after room was made", resumeWithin)

	// Somebody else takes the last byte.
	e.fill("foreign", smallDisk)
	e.until("intake stops", 30*time.Second, func() bool { return e.diskStatus().Stopped != "" })
	e.until("a writer waits", 30*time.Second, func() bool { return e.diskStatus().Stopped == "full" })
	e.stoppedAndReadable()
	e.kill()
	if out := e.refused(); !strings.Contains(out, "is full (") || !strings.Contains(out, "make room there and start again") {
		t.Errorf("a start on a full disk says:\n%s", out)
	}
	e.empty("foreign")
	e.start()
	cars.moves("after the last byte was given back", resumeWithin)
	e.fill("foreign", smallDisk)
	e.until("a writer waits", 30*time.Second, func() bool { return e.diskStatus().Stopped == "full" })
	e.empty("foreign")
	e.until("it is ready after room was made", resumeWithin, func() bool { return e.status("/-/ready") == http.StatusOK })
	cars.moves("after room was made, without a restart", resumeWithin)

	cars.stop()
	c := e.settled()
	if want := cars.total(); c.Applied != want || c.Quarantined < junk.total() {
		t.Errorf("published %d telemetry and %d junk, applied %d and quarantined %d", want, junk.total(), c.Applied, c.Quarantined)
	}
	e.stop()
	if out := e.run("status", "--offline"); !strings.Contains(out, fmt.Sprintf("applied %d ", c.Applied)) {
		t.Errorf("the stopped folder says:\n%s", out)
	}
	fmt.Printf("disk full: %d telemetry and %d junk published; received %d = applied %d + duplicate %d + late %d + quarantined %d\n",
		cars.total(), junk.total(), c.Received, c.Applied, c.Duplicate, c.Late, c.Quarantined)
}

// mountSmall puts a small file system where the engine has its data.
func mountSmall(t *testing.T, e *engine, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", smallDisk))
	if errors.Is(err, syscall.EPERM) {
		lacks(t, "a file system of 64 MiB cannot be mounted: run as root, in a container with CAP_SYS_ADMIN (docker run --privileged)")
	}
	if err != nil {
		t.Fatalf("mount a tmpfs of 64 MiB: %v", err)
	}
	t.Cleanup(func() {
		e.kill()
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// fill makes a file of somebody else's in the data folder's file system, as large as fits.
func (e *engine) fill(name string, size int64) {
	e.t.Helper()
	f, err := os.Create(filepath.Join(e.dir, "data", name))
	if err != nil {
		e.t.Fatal(err)
	}
	defer f.Close()
	_, err = io.CopyN(f, zeros{}, size)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		e.t.Fatal(err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func (e *engine) empty(name string) {
	e.t.Helper()
	if err := os.Remove(filepath.Join(e.dir, "data", name)); err != nil {
		e.t.Fatal(err)
	}
}

type diskStatus struct {
	Journal int64  `json:"journal_bytes"`
	Free    int64  `json:"free_bytes"`
	Stopped string `json:"intake_stopped"`
	Problem string `json:"problem"`
}

func (e *engine) diskStatus() diskStatus {
	e.t.Helper()
	var s struct {
		Disk diskStatus `json:"disk"`
	}
	body := e.body("/api/v1/status")
	if body == "" {
		return s.Disk
	}
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		e.t.Fatalf("status: %v: %s", err, body)
	}
	return s.Disk
}

// body is the body of an answer 200, else "".
func (e *engine) body(path string) string {
	cl := http.Client{Timeout: 5 * time.Second}
	r, err := cl.Get("http://" + e.http + path)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		return ""
	}
	return string(b)
}

func (e *engine) status(path string) int {
	cl := http.Client{Timeout: 5 * time.Second}
	r, err := cl.Get("http://" + e.http + path)
	if err != nil {
		return 0
	}
	defer r.Body.Close()
	return r.StatusCode
}

// metric is the sum of a metric's values.
func (e *engine) metric(name string) (sum float64) {
	for line := range strings.Lines(e.body("/metrics")) {
		var v float64
		if f := strings.Fields(line); len(f) == 2 && (f[0] == name || strings.HasPrefix(f[0], name+"{")) {
			if _, err := fmt.Sscan(f[1], &v); err == nil {
				sum += v
			}
		}
	}
	return sum
}

// stoppedAndReadable checks what people and machines are told while intake is stopped.
func (e *engine) stoppedAndReadable() {
	e.t.Helper()
	const say = "make room on this disk"
	if p := e.diskStatus().Problem; !strings.Contains(p, say) {
		e.t.Errorf("the API says %q", p)
	}
	if out := e.run("status"); !strings.Contains(out, "intake has stopped: ") || !strings.Contains(out, say) {
		e.t.Errorf("milepost status says\n%s", out)
	}
	if e.body("/") == "" || e.body("/api/v1/messages") == "" {
		e.t.Error("the console does not answer")
	}
	if n := e.metric("milepost_intake_stopped"); n != 1 {
		e.t.Errorf("milepost_intake_stopped is %v", n)
	}
	if code := e.status("/-/ready"); code != http.StatusServiceUnavailable {
		e.t.Errorf("/-/ready answers %d", code)
	}
	r, err := http.Post("http://"+e.http+"/api/v1/events", "application/json", strings.NewReader(`{"type":"telemetry","vin":"H1","signals":{"odometer":1}}`))
	if err != nil {
		e.t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "intake is stopped") {
		e.t.Errorf("POST answers %s, Retry-After %q: %s", r.Status, r.Header.Get("Retry-After"), body)
	}
}

// launch starts the engine and waits for nothing.
func (e *engine) launch() {
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
}

// refused starts an engine that must not come up and returns what it says.
func (e *engine) refused() string {
	e.t.Helper()
	e.launch()
	select {
	case <-e.exited:
	case <-time.After(30 * time.Second):
		e.t.Fatalf("the engine neither starts nor ends:\n%s", tail(e.out))
	}
	if e.cmd.ProcessState.ExitCode() != 1 {
		e.t.Errorf("exit status %d, want 1", e.cmd.ProcessState.ExitCode())
	}
	e.cmd = nil
	return e.out.String()
}

// steady publishes with QoS 1, one message at a time for each vehicle, again until it is acknowledged.
type steady struct {
	e       *engine
	name    string
	message func(i, n int) (topic, payload string)
	quit    chan struct{}
	wg      sync.WaitGroup
	acked   atomic.Uint64
	hasty   atomic.Bool // stop does not wait for the last acknowledgements
}

func newSteady(e *engine, name string, message func(i, n int) (topic, payload string)) *steady {
	s := &steady{e: e, name: name, message: message, quit: make(chan struct{})}
	e.t.Cleanup(func() {
		s.hasty.Store(true)
		s.stop()
	})
	return s
}

func (s *steady) run(n int) {
	for i := range n {
		s.wg.Go(func() { s.publish(i) })
	}
}

func (s *steady) publish(i int) {
	opt := mqtt.NewClientOptions().AddBroker("tcp://" + s.e.mqtt).SetClientID(fmt.Sprintf("%s-%d", s.name, i)).SetCleanSession(true).
		SetAutoReconnect(false).SetConnectTimeout(time.Second).SetKeepAlive(5 * time.Second).SetPingTimeout(5 * time.Second)
	var cl mqtt.Client
	defer func() {
		if cl != nil {
			cl.Disconnect(0)
		}
	}()
	for n := 1; ; n++ {
		topic, payload := s.message(i, n)
		fresh := true // not published yet
		for done := false; !done; {
			if s.quitting() && (s.hasty.Load() || fresh) {
				return
			}
			fresh = false
			if cl == nil || !cl.IsConnectionOpen() {
				if cl != nil {
					cl.Disconnect(0)
				}
				cl = mqtt.NewClient(opt)
				if tok := cl.Connect(); !tok.WaitTimeout(2*time.Second) || tok.Error() != nil {
					<-time.After(100 * time.Millisecond)
					continue
				}
			}
			done = s.acknowledged(cl, cl.Publish(topic, 1, false, payload))
		}
		s.acked.Add(1)
	}
}

// acknowledged waits for the acknowledgement for as long as the connection lasts.
func (s *steady) acknowledged(cl mqtt.Client, tok mqtt.Token) bool {
	for {
		select {
		case <-tok.Done():
			return tok.Error() == nil
		case <-time.After(200 * time.Millisecond):
			if !cl.IsConnectionOpen() || s.hasty.Load() && s.quitting() {
				return false
			}
		}
	}
}

// moves waits until more is acknowledged.
func (s *steady) moves(what string, limit time.Duration) {
	s.e.t.Helper()
	before := s.acked.Load()
	s.e.until(s.name+" messages are acknowledged "+what, limit, func() bool { return s.acked.Load() > before+20 })
}

// stands checks that nothing is acknowledged, but for what was under way.
func (s *steady) stands() {
	s.e.t.Helper()
	before := s.acked.Load()
	<-time.After(time.Second)
	if n := s.acked.Load() - before; n > 4 {
		s.e.t.Errorf("%d %s messages were acknowledged while intake was stopped", n, s.name)
	}
}

func (s *steady) quitting() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

func (s *steady) total() uint64 { return s.acked.Load() }

// stop ends the publishers; a message that waits for its acknowledgement is given up with its connection.
func (s *steady) stop() {
	if !s.quitting() {
		close(s.quit)
	}
	s.wg.Wait()
}
