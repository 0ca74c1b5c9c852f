package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/ingest/mqtt"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"milepost": func() { os.Exit(Main(os.Args[1:], Process("test"))) },
	})
}

// TestScripts runs testdata/script: arguments, stdout, stderr and exit status of every command, beside a
// running engine and on the folder of a stopped one. UPDATE=1 rewrites what `cmp` compares.
//
// Beside the commands of testscript there are:
//
//	status N milepost ARG…  runs it and wants exit status N
//	engine start [ARG…]     `milepost serve` on ./milepost.yaml, ready when this returns; sets $HTTP and $MQTT
//	engine stop|kill        SIGTERM, which must end it with status 0, or SIGKILL
//	post STATUS FILE [TYPE] sends a file to /api/v1/events; the answer is on stdout
//	get STATUS PATH         asks the engine; the answer is on stdout
//	publish TOPIC FILE      publishes each line with QoS 1 and waits until all are acknowledged
//	settled                 waits until received = applied + duplicate + late + quarantined
//	until REGEXP COMMAND…   repeats a command until its stdout matches
//	shape FILE              prints the keys of a JSON file with their types
//	events FILE             prints one short line per event of a backtest's --out
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			e := &scriptEngine{dir: env.WorkDir}
			env.Values[engineKey{}] = e
			env.Defer(e.kill)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": scriptStatus, "engine": scriptEngineCommand, "post": scriptPost, "get": scriptGet,
			"publish": scriptPublish, "settled": scriptSettled, "until": scriptUntil, "shape": scriptShape, "events": scriptEvents,
		},
	})
}

// patience bounds every wait of a script.
const patience = 20 * time.Second

// poll repeats ok until it holds.
func poll(ts *testscript.TestScript, what string, ok func() bool) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit.C:
			ts.Fatalf("not within %v: %s", patience, what)
		case <-tick.C:
		}
	}
}

func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil || len(args) < 2 {
		ts.Fatalf("usage: status N milepost ARG…")
	}
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit interface{ ExitCode() int }
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func scriptPost(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: post STATUS FILE [CONTENT-TYPE]")
	}
	contentType := "application/json"
	if len(args) > 2 {
		contentType = args[2]
	}
	r, err := http.Post("http://"+ts.Getenv("HTTP")+"/api/v1/events", contentType, strings.NewReader(ts.ReadFile(args[1])))
	scriptAnswer(ts, args[0], r, err)
}

func scriptGet(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: get STATUS PATH")
	}
	r, err := http.Get("http://" + ts.Getenv("HTTP") + args[1])
	scriptAnswer(ts, args[0], r, err)
}

func scriptAnswer(ts *testscript.TestScript, want string, r *http.Response, err error) {
	ts.Check(err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s", body)
	if strconv.Itoa(r.StatusCode) != want {
		ts.Fatalf("status %d, want %s: %s", r.StatusCode, want, body)
	}
}

func scriptPublish(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: publish TOPIC FILE")
	}
	p, err := mqtt.NewPublisher(mqtt.PublisherOptions{URL: "tcp://" + ts.Getenv("MQTT"), ClientID: "script", Window: 100, Logger: zerolog.Nop()})
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stop := background(ctx, p.Run)
	for _, line := range strings.Split(strings.TrimRight(ts.ReadFile(args[1]), "\n"), "\n") {
		ts.Check(p.Publish(ctx, args[0], []byte(line)))
	}
	ts.Check(p.Flush(ctx))
	ts.Check(stop())
}

func scriptSettled(ts *testscript.TestScript, _ bool, _ []string) {
	c := &client{base: "http://" + ts.Getenv("HTTP")}
	var st *app.Status
	poll(ts, "received = applied + duplicate + late + quarantined, nothing waiting", func() bool {
		var err error
		st, err = c.Status(context.Background())
		ts.Check(err)
		lag := int64(0)
		for _, s := range st.Shards {
			lag += s.Lag
		}
		k := st.Counters
		return lag == 0 && k.Received == k.Applied+k.Duplicate+k.Late+k.Quarantined
	})
}

func scriptUntil(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND…")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	poll(ts, strings.Join(args, " "), func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout"))
	})
}

func scriptShape(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: shape FILE")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	lines := map[string]bool{}
	shape(lines, "", v)
	for _, l := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintln(ts.Stdout(), l)
	}
}

// shape collects "path type" of every value; the elements of a list share one path.
func shape(to map[string]bool, at string, v any) {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			shape(to, strings.TrimPrefix(at+"."+k, "."), e)
		}
	case []any:
		if len(x) == 0 {
			to[at+"[] empty"] = true
		}
		for _, e := range x {
			shape(to, at+"[]", e)
		}
	case string:
		to[at+" string"] = true
	case float64:
		to[at+" number"] = true
	case bool:
		to[at+" bool"] = true
	default:
		to[at+" null"] = true
	}
}

// scriptEvents says of each event when it was, what it tells and what became of it.
func scriptEvents(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: events FILE")
	}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var e struct {
			Type, Time, To, Held, Released string
			Data                           struct {
				Silent bool
				Reason string
				Rule   struct{ ID string }
				Items  []struct{ ID, State string }
				Causes []struct{ Item, Level, Rule string }
			}
		}
		ts.Check(json.Unmarshal([]byte(line), &e))
		words := []string{e.Time, strings.TrimPrefix(e.Type, "milepost."), "to " + e.To}
		for _, it := range e.Data.Items {
			words = append(words, it.ID+":"+it.State)
		}
		for _, c := range e.Data.Causes {
			words = append(words, c.Item+c.Rule+":"+c.Level)
		}
		for _, w := range []struct{ name, value string }{{"", e.Data.Rule.ID}, {"reason ", e.Data.Reason}, {"held ", e.Held}, {"released ", e.Released}} {
			if w.value != "" {
				words = append(words, w.name+w.value)
			}
		}
		if e.Data.Silent {
			words = append(words, "silent")
		}
		fmt.Fprintln(ts.Stdout(), strings.Join(words, " "))
	}
}
