//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// promtool is Prometheus' own checker.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing: run .ci/e2e-deps, or on Debian or Ubuntu: sudo apt-get install prometheus")
	}
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

const deployed = "../../../deploy/"

// TestAlertRules runs the unit tests of the alert rules.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", deployed+"prometheus/alerts.yaml")
	promtool(t, "check", "config", "--syntax-only", deployed+"prometheus/prometheus.yaml")
	promtool(t, "test", "rules", deployed+"prometheus/alerts_test.yaml")
}

// TestDashboardQueries has Prometheus parse every query of every dashboard.
func TestDashboardQueries(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(deployed + "grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	for _, f := range files {
		for _, q := range queries(t, f) {
			q = strings.NewReplacer("$__rate_interval", "1m", "$instance", "a").Replace(q)
			rules = append(rules, rule{fmt.Sprintf("query_%d", len(rules)), q})
		}
	}
	doc, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboards", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "queries.yaml")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

// queries are those of a dashboard's panels and annotations.
func queries(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			out = append(out, q.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		out = append(out, a.Expr)
	}
	if len(out) == 0 {
		t.Errorf("%s: no query", file)
	}
	return out
}
