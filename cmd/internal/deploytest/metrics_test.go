package deploytest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const root = "../../../"

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files (%v)", pattern, err)
	}
	for i, f := range files {
		files[i], _ = filepath.Rel(root, f)
	}
	return files
}

// metricName matches the engine's metrics in a query; those of Go and of the process are the client library's.
var metricName = regexp.MustCompile(`\bmilepost_[a-z0-9_]+`)

// metrics are the names that the code of app gives to Prometheus.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	literal := regexp.MustCompile(`"(milepost_[a-z0-9_]+)"`)
	names := map[string]bool{}
	for _, f := range glob(t, "cmd/internal/app/*.go") {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for _, m := range literal.FindAllStringSubmatch(read(t, f), -1) {
			names[m[1]] = true
		}
	}
	return names
}

func checkQuery(t *testing.T, exist map[string]bool, where, query string) {
	t.Helper()
	for _, name := range metricName.FindAllString(query, -1) {
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if b, ok := strings.CutSuffix(name, suffix); ok && exist[b] {
				base = b
			}
		}
		if !exist[base] {
			t.Errorf("%s: no metric %s in cmd/internal/app", where, name)
		}
	}
}

// TestAlerts holds each alert to its runbook, its severities and metrics that exist.
func TestAlerts(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.UnmarshalWithOptions([]byte(read(t, "deploy/prometheus/alerts.yaml")), &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	exist, headings, cases := metrics(t), anchors(read(t, "docs/operations.md")), read(t, "deploy/prometheus/alerts_test.yaml")
	var names []string
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			names = append(names, r.Alert)
			checkQuery(t, exist, r.Alert, r.Expr)
			if s := r.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("%s: severity %q (expected page or ticket)", r.Alert, s)
			}
			for _, a := range []string{"summary", "description"} {
				if r.Annotations[a] == "" {
					t.Errorf("%s: no %s", r.Alert, a)
				}
			}
			page, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "#")
			if !strings.HasSuffix(page, "/docs/operations.md") || anchor != strings.ToLower(r.Alert) || !headings[anchor] {
				t.Errorf("%s: runbook_url %q names no section of docs/operations.md (expected one ### %s)", r.Alert, r.Annotations["runbook_url"], r.Alert)
			}
			if !strings.Contains(cases, `alertname="`+r.Alert+`"`) {
				t.Errorf("%s: no case in alerts_test.yaml", r.Alert)
			}
		}
	}
	if slices.Sort(names); len(names) == 0 || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("alerts %v: none, or one twice", names)
	}
	for anchor := range headings {
		if strings.HasPrefix(anchor, "milepost") && !slices.ContainsFunc(names, func(n string) bool { return strings.ToLower(n) == anchor }) {
			t.Errorf("docs/operations.md: section %s is of no alert", anchor)
		}
	}
}

// anchors are those that a Markdown page gives to its headings.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	drop := regexp.MustCompile(`[^a-z0-9 _-]`)
	for line := range strings.Lines(page) {
		if h := strings.TrimLeft(line, "#"); h != line {
			found[strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(h)), ""), " ", "-")] = true
		}
	}
	return found
}

// TestOperationsLinks holds the links within docs/operations.md, which somebody follows at three in the morning.
func TestOperationsLinks(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/operations.md")
	found := anchors(page)
	for _, m := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(page, -1) {
		if !found[m[1]] {
			t.Errorf("docs/operations.md: no section #%s", m[1])
		}
	}
}

type panel struct {
	Type, Title, Description string
	Datasource               struct{ UID string }
	Targets                  []struct{ Expr string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
}

// TestDashboards holds each panel to a description, a unit, the provisioned data source and metrics that exist.
func TestDashboards(t *testing.T) {
	t.Parallel()
	exist, source, uids := metrics(t), read(t, "deploy/grafana/provisioning/datasources/prometheus.yaml"), map[string]string{}
	for _, f := range glob(t, "deploy/grafana/dashboards/*.json") {
		var d struct {
			UID, Title, Description string
			Panels                  []panel
		}
		if err := json.Unmarshal([]byte(read(t, f)), &d); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if d.UID == "" || d.Title == "" || d.Description == "" || uids[d.UID] != "" {
			t.Errorf("%s: uid %q (also of %q), title %q, description %q", f, d.UID, uids[d.UID], d.Title, d.Description)
		}
		uids[d.UID] = f
		for _, p := range d.Panels {
			if p.Type == "row" {
				continue
			}
			at := f + ": " + p.Title
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: title, description, unit or query is missing", at)
			}
			if !strings.Contains(source, "uid: "+p.Datasource.UID+"\n") {
				t.Errorf("%s: data source %q is not provisioned", at, p.Datasource.UID)
			}
			for _, q := range p.Targets {
				checkQuery(t, exist, at, q.Expr)
			}
		}
	}
}
