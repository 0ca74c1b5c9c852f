package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/deploy/demo"
)

// demoScale is how much faster than real time the demo lives: a day a second.
const demoScale = 86_400

// demoFlags are the options of `milepost demo`.
type demoFlags struct {
	dir      string
	vehicles int
	seed     uint64
	kill     time.Duration
	count    int
	child    bool
}

func newDemo(s *session) *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "Everything on one machine: broker, engine, console and a virtual fleet at a day a second",
		Args:  positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.child {
				return s.demoEngine(cmd.Context(), f.dir, nil)
			}
			return s.demo(cmd.Context(), f)
		},
	}
	c.Flags().StringVar(&f.dir, "data", "./milepost-data", "`folder` of the demo: configuration, rules, state")
	c.Flags().IntVar(&f.vehicles, "vehicles", 300, "cars in the fleet")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "same seed, same fleet")
	c.Flags().DurationVar(&f.kill, "kill", 0, "end the engine with kill -9 this `often`, and count what was lost")
	c.Flags().IntVar(&f.count, "kills", 0, "with --kill: stop after this many; 0: until Ctrl-C")
	c.Flags().BoolVar(&f.child, "engine", false, "only the engine, on a folder that is set up")
	_ = c.Flags().MarkHidden("engine")
	return c
}

// demo sets the folder up and runs engine, fleet and receivers. With --kill the engine is a process of its
// own, so that it can be killed.
func (s *session) demo(ctx context.Context, f demoFlags) error {
	d, err := prepareDemo(f, demoLanguage(s.Env))
	if err != nil {
		return err
	}
	recv, err := startReceivers(d)
	if err != nil {
		return err
	}
	defer recv.stop()
	if err := d.writeConfig(recv); err != nil {
		return err
	}
	if f.kill > 0 {
		return s.demoKill(ctx, f, d, recv)
	}
	var stopFleet func() error
	err = s.demoEngine(ctx, f.dir, func(a app.Addresses) {
		s.banner(d, a)
		stopFleet = background(ctx, func(ctx context.Context) error { return runDemoFleet(ctx, d, a, s.quiet(), nil) })
	})
	if stopFleet != nil {
		_ = stopFleet()
	}
	fmt.Fprintf(s.Out, "stopped; state kept in %s, `milepost demo` carries on\n", f.dir)
	return err
}

// demoEngine runs the engine on the scaled clock, anchored at the folder's last stamp (E18).
func (s *session) demoEngine(ctx context.Context, dir string, started func(app.Addresses)) error {
	cfg, err := config.Load(filepath.Join(dir, demoConfigFile), s.Env)
	if err != nil {
		return err
	}
	world, err := readWorld(dir)
	if err != nil {
		return err
	}
	return app.Run(ctx, cfg, app.Options{
		Logger: s.quiet(), Build: s.Version, Started: started, Tick: 50 * time.Millisecond,
		Clock: func(floor int64) *app.Clock {
			return app.ScaledClock(time.Now, max(floor, world.Start.UnixMilli()), demoScale)
		},
	})
}

const (
	demoConfigFile = "milepost.yaml"
	demoWorldFile  = "demo.json"
)

// world is what a demo folder was begun with, so that a later run carries on with the same fleet.
type world struct {
	Start    time.Time `json:"start"`
	Seed     uint64    `json:"seed"`
	Vehicles int       `json:"vehicles"`
	Runs     int       `json:"runs"`
}

func readWorld(dir string) (world, error) {
	var w world
	b, err := os.ReadFile(filepath.Join(dir, demoWorldFile))
	if err != nil {
		return w, err
	}
	return w, json.Unmarshal(b, &w)
}

// demoSetup is a prepared demo folder with the addresses of this run.
type demoSetup struct {
	dir        string
	world      world
	language   string // of owners and dealers
	http, mqtt string
}

// demoLanguage is the language the demo's people are told in: Chinese where the terminal speaks it.
func demoLanguage(env []string) string {
	set := map[string]string{}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		set[k] = v
	}
	if strings.HasPrefix(cmp.Or(set["LC_ALL"], set["LC_MESSAGES"], set["LANG"]), "zh") {
		return "zh"
	}
	return "en"
}

// prepareDemo makes the folder, or counts one more run of it.
func prepareDemo(f demoFlags, language string) (*demoSetup, error) {
	d := &demoSetup{dir: f.dir, language: language}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	d.world, err = readWorld(f.dir)
	switch {
	case os.IsNotExist(err):
		d.world = world{Start: time.Now().UTC().Truncate(time.Hour), Seed: f.seed, Vehicles: f.vehicles}
	case err != nil:
		return nil, fmt.Errorf("%s is no demo folder any more: %w (remove it to begin anew)", f.dir, err)
	}
	d.world.Runs++
	b, err := json.Marshal(d.world)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(f.dir, demoWorldFile), append(b, '\n'), 0o644); err != nil {
		return nil, err
	}
	if err := copyRules(filepath.Join(f.dir, "rules")); err != nil {
		return nil, err
	}
	d.http, d.mqtt = nextFree("127.0.0.1", 8080), nextFree("127.0.0.1", 1883)
	return d, nil
}

// copyRules writes the demo's rules where there are none, so that people can edit them.
func copyRules(to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	entries, err := demo.Rules.ReadDir(demo.RulesDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		b, err := demo.Rules.ReadFile(demo.RulesDir + "/" + e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// nextFree is the address with the first free port from the usual one on.
func nextFree(host string, port int) string {
	for p := port; p < port+100; p++ {
		addr := net.JoinHostPort(host, fmt.Sprint(p))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
	}
	return net.JoinHostPort(host, "0")
}

func (d *demoSetup) writeConfig(r *receivers) error {
	text := fmt.Sprintf(`# Made by 'milepost demo' at each start.
source: /milepost/demo
timezone: Asia/Shanghai
data: ./data
rules: ./rules
http: {listen: %q}
mqtt: {listen: %q}
notify:
  webhooks:
    - {name: app-backend, url: %q, secret_file: ./demo.secret, to: [owner], allow_private: true}
    - {name: dealer-crm, url: %q, secret_file: ./demo.secret, to: [dealer], allow_private: true}
`, d.http, d.mqtt, r.owner, r.dealer)
	return os.WriteFile(filepath.Join(d.dir, demoConfigFile), []byte(text), 0o644)
}

// pasteVIN is the car of the line to paste: a fresh one each run, so that the line always has something to tell.
func (d *demoSetup) pasteVIN() string { return fmt.Sprintf("DEMO-%d", d.world.Runs) }

func (s *session) banner(d *demoSetup, a app.Addresses) {
	host, port, _ := net.SplitHostPort(a.MQTT)
	note := func(addr, usual string) string {
		if strings.HasSuffix(addr, usual) {
			return ""
		}
		return "   (port " + usual[1:] + " is busy)"
	}
	msg := fmt.Sprintf(`{"type":"telemetry","vin":"%s","signals":{"odometer":10050}}`, d.pasteVIN())
	fmt.Fprintf(s.Out, `
  Milepost demo: %d cars, a day a second. Ctrl-C stops, state is kept.

  console   http://%s/%s
  broker    mqtt://%s%s
  data      %s   (edit rules/ there: changes are taken over live)

  Make a reminder appear: this car passes 10,000 km.

    mosquitto_pub -h %s -p %s -q 1 -t vehicles/%s/telemetry -m '%s'
    curl -s http://%s/api/v1/events -d '%s'

  See it arrive: http://%s/#/vehicles/%s

`, d.world.Vehicles, a.HTTP, note(a.HTTP, ":8080"), a.MQTT, note(a.MQTT, ":1883"), d.dir, host, port, d.pasteVIN(), msg, a.HTTP, msg, a.HTTP, d.pasteVIN())
}

// engineProcess is the engine as a process that can be killed.
type engineProcess struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func startEngineProcess(dir string, s *session) (*engineProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "demo", "--engine", "--data", dir) //nolint:noctx // it outlives no context: kill ends it
	cmd.Stderr = s.Err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the demo, which then stops it
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &engineProcess{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// kill ends it as the power does.
func (p *engineProcess) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop ends it cleanly.
func (p *engineProcess) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.kill()
	}
}
