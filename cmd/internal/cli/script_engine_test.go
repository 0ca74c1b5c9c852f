package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

// scriptEngine is the `milepost serve` of one script.
type scriptEngine struct {
	dir  string
	cmd  *exec.Cmd
	done chan error
	out  bytes.Buffer // of the process; read when it has ended
}

type engineKey struct{}

func scriptEngineCommand(ts *testscript.TestScript, neg bool, args []string) {
	e := ts.Value(engineKey{}).(*scriptEngine)
	switch {
	case neg || len(args) == 0:
		ts.Fatalf("usage: engine start|stop|kill")
	case args[0] == "start":
		e.start(ts, args[1:])
	case e.cmd == nil:
		ts.Fatalf("engine %s: it does not run", args[0])
	case args[0] == "stop":
		e.stop(ts)
	case args[0] == "kill":
		e.kill()
	default:
		ts.Fatalf("engine %s: unknown", args[0])
	}
}

// start runs the engine and returns when it is ready.
func (e *scriptEngine) start(ts *testscript.TestScript, args []string) {
	path, err := exec.LookPath("milepost")
	ts.Check(err)
	e.out.Reset()
	e.cmd = exec.Command(path, append([]string{"serve", "--config", "milepost.yaml"}, args...)...)
	e.cmd.Dir, e.cmd.Stdout, e.cmd.Stderr = e.dir, &e.out, &e.out
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "MILEPOST_") {
			e.cmd.Env = append(e.cmd.Env, kv)
		}
	}
	ts.Check(e.cmd.Start())
	e.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(e.cmd, e.done)
	var a app.Addresses
	poll(ts, "the engine is ready", func() bool {
		select {
		case err := <-e.done:
			e.cmd = nil
			ts.Fatalf("the engine ended: %v\n%s", err, e.out.String())
		default:
		}
		b, err := os.ReadFile(filepath.Join(e.dir, "data", "engine.json"))
		if err != nil || json.Unmarshal(b, &a) != nil || a.PID != e.cmd.Process.Pid {
			return false
		}
		r, err := http.Get("http://" + a.HTTP + "/-/ready")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	ts.Setenv("HTTP", a.HTTP)
	ts.Setenv("MQTT", a.MQTT)
}

// stop ends it cleanly, within the 5 s that users are promised.
func (e *scriptEngine) stop(ts *testscript.TestScript) {
	ts.Check(e.cmd.Process.Signal(syscall.SIGTERM))
	limit := time.NewTimer(5 * time.Second)
	defer limit.Stop()
	select {
	case err := <-e.done:
		e.cmd = nil
		if err != nil {
			ts.Fatalf("the engine ended with %v:\n%s", err, e.out.String())
		}
	case <-limit.C:
		e.kill()
		ts.Fatalf("the engine did not stop within 5 s:\n%s", e.out.String())
	}
	ts.Logf("engine: %s", e.out.String())
}

// kill ends it as the power does.
func (e *scriptEngine) kill() {
	if e.cmd == nil {
		return
	}
	_ = e.cmd.Process.Kill()
	<-e.done
	e.cmd = nil
}
