package deptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/milepost-io/milepost"

// rule forbids packages to reach others, directly or through whatever they import.
type rule struct {
	// from are the packages concerned: a folder of the module with all below it, "" is the whole module.
	// except are folders the rule leaves out.
	from   string
	except []string
	// deny is what must not be reached: a folder of the module ("./x", "./" is all but from itself), or a package
	// path; with all below.
	deny string
	why  string
	// direct forbids only imports of the package itself: what a dependency imports is its own business.
	direct bool
}

// rules are the import directions of docs/design.md.
var rules = []rule{
	{from: "ingest", deny: "./state", why: "ingest knows no other stage: a source hands records to a Sink"},
	{from: "ingest", deny: "./rules", why: "ingest knows no other stage: what a payload means is decided in the shard"},
	{from: "ingest", deny: "./notify", why: "ingest knows no other stage"},
	{from: "state", deny: "./ingest", why: "state knows no stage: it keeps documents of any step"},
	{from: "state", deny: "./rules", why: "state knows no stage: it keeps documents of any step"},
	{from: "state", deny: "./notify", why: "state knows no stage: it keeps documents of any step"},
	{from: "rules", deny: "./notify", why: "rules do not know who listens: what is true of a car does not depend on whom it is told"},
	{from: "", except: []string{"cmd"}, deny: "./cmd", why: "nobody imports cmd: it wires what must stand without it"},

	{from: "", except: []string{"state"}, deny: "github.com/cockroachdb/pebble", direct: true, why: "the store is known to state alone, so that it can be replaced"},
	{from: "", except: []string{"ingest/strictyaml", "cmd/internal/sim/oracle"}, deny: "github.com/goccy/go-yaml", direct: true, why: "files are read strictly, and their mistakes told alike, by ingest/strictyaml"},
	{from: "ingest", deny: "github.com/cockroachdb/pebble", why: "the store is known to state alone"},
	{from: "", except: []string{"ingest/mqtt"}, deny: "github.com/eclipse/paho.mqtt.golang", direct: true, why: "the MQTT client is known to ingest/mqtt alone"},
	{from: "", except: []string{"ingest/kafka"}, deny: "github.com/segmentio/kafka-go", direct: true, why: "the Kafka client is known to ingest/kafka alone"},
	{from: "", except: []string{"ingest/broker"}, deny: "github.com/mochi-mqtt/server", direct: true, why: "the embedded broker's library is known to ingest/broker alone"},
	{from: "", except: []string{"cmd"}, deny: "github.com/spf13/cobra", why: "only the command line reads a command line"},
	{from: "", except: []string{"cmd"}, deny: "github.com/prometheus/client_golang", direct: true, why: "stages count, app tells: no metric is registered elsewhere"},

	// E2: a step reads no clock, no random source and no file; what cannot be imported cannot be called.
	{from: "rules", deny: "net", direct: true, why: "a step does not talk (E2)"},
	{from: "rules", deny: "os/exec", direct: true, why: "a step does not talk (E2)"},
	{from: "rules", deny: "os", direct: true, why: "a step reads no file (E2)"},
	{from: "rules", deny: "math/rand", direct: true, why: "a step has no random source (E2)"},
	{from: "rules", deny: "math/rand/v2", direct: true, why: "a step has no random source (E2)"},
	{from: "rules", deny: "crypto/rand", direct: true, why: "a step has no random source (E2)"},

	// The oracle is a second opinion only as long as it shares nothing with the engine.
	{from: "cmd/internal/sim/oracle", deny: "./", why: "the oracle imports nothing of the engine"},
}

// pkg is what `go list -deps -json` says of a package. Test files are not part of it.
type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func TestImports(t *testing.T) {
	graph := load(t)
	for _, r := range rules {
		for _, path := range concerned(graph, r) {
			if chain := reach(graph, path, r); chain != nil {
				t.Errorf("%s must not know %s: %s\n    %s", short(path), short(chain[len(chain)-1]), r.why, strings.Join(shorts(chain), "\n    → "))
			}
		}
	}
}

// TestRulesName: a rule about a folder that is not there holds nothing.
func TestRulesName(t *testing.T) {
	graph := load(t)
	for _, r := range rules {
		if r.from == "cmd/internal/sim/oracle" {
			continue // a test package with no files of its own does not show in the graph
		}
		if len(concerned(graph, r)) == 0 {
			t.Errorf("no package below %q", r.from)
		}
		if folder, own := strings.CutPrefix(r.deny, "./"); own && !slices.ContainsFunc(paths(graph), func(p string) bool { return within(p, strings.TrimSuffix(module+"/"+folder, "/")) }) {
			t.Errorf("no package below %q", r.deny)
		}
	}
}

// TestReach: a forbidden import is found over a package between, and the way to it is told.
func TestReach(t *testing.T) {
	graph := map[string]pkg{
		module + "/ingest/x":  {Imports: []string{"lib"}},
		"lib":                 {Imports: []string{module + "/state/log"}},
		module + "/state/log": {},
	}
	chain := reach(graph, module+"/ingest/x", rule{deny: "./state"})
	if want := []string{module + "/ingest/x", "lib", module + "/state/log"}; !slices.Equal(chain, want) {
		t.Fatalf("chain %v, want %v", chain, want)
	}
	if chain := reach(graph, module+"/ingest/x", rule{deny: "./state", direct: true}); chain != nil {
		t.Fatalf("an import over another is not direct: %v", chain)
	}
}

// load reads the packages of the module and all they import.
func load(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Standard", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	graph := map[string]pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return graph
		}
		if err != nil {
			t.Fatal(err)
		}
		graph[p.ImportPath] = p
	}
}

// concerned are the packages a rule speaks of, sorted.
func concerned(graph map[string]pkg, r rule) []string {
	var out []string
	for _, p := range paths(graph) {
		excepted := slices.ContainsFunc(r.except, func(e string) bool { return within(p, module+"/"+e) })
		if within(p, strings.TrimSuffix(module+"/"+r.from, "/")) && !excepted {
			out = append(out, p)
		}
	}
	return out
}

// reach is the shortest way from a package to what a rule denies, nil when there is none.
func reach(graph map[string]pkg, from string, r rule) []string {
	denied := r.deny
	if folder, own := strings.CutPrefix(denied, "./"); own {
		denied = strings.TrimSuffix(module+"/"+folder, "/")
	}
	before := map[string]string{from: ""}
	queue := []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at != from && r.direct {
			continue
		}
		for _, next := range graph[at].Imports {
			if _, seen := before[next]; seen {
				continue
			}
			before[next] = at
			if within(next, denied) && !within(next, module+"/"+r.from) {
				return chain(before, next)
			}
			queue = append(queue, next)
		}
	}
	return nil
}

func chain(before map[string]string, to string) []string {
	var out []string
	for ; to != ""; to = before[to] {
		out = append(out, to)
	}
	slices.Reverse(out)
	return out
}

// within reports whether a package is a folder's or below it. A major version is below its path.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

func paths(graph map[string]pkg) []string {
	out := make([]string, 0, len(graph))
	for p := range graph {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

func short(path string) string { return strings.TrimPrefix(path, module+"/") }

func shorts(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = short(p)
	}
	return out
}
