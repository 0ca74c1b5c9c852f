package rules_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules"
)

// TestLoad runs testdata/load: a rule file in, what is wrong with it out. "file name=…" adds a file to the
// next load.
func TestLoad(t *testing.T) {
	datadriven.Walk(t, "testdata/load", func(t *testing.T, path string) {
		var files []rules.File
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "file":
				var name string
				d.ScanArgs(t, "name", &name)
				files = append(files, rules.File{Name: name, Content: d.Input})
				return ""
			case "load":
				name := "r.yaml"
				d.MaybeScanArgs(t, "name", &name)
				files = append(files, rules.File{Name: name, Content: d.Input})
			default:
				return fmt.Sprintf("unknown command %q", d.Cmd)
			}
			prog, err := rules.Load(files, ingest.BuiltinCatalogue())
			loaded := files
			files = nil
			if err != nil {
				return err.Error() + "\n"
			}
			if p, err := rules.PolicyOf(loaded); err != nil || p != prog.Policy {
				t.Errorf("the policy alone is %+v, %v; in the program %+v", p, err, prog.Policy)
			}
			return fmt.Sprintf("ok: %d rules, %d plans\n", len(prog.Rules), len(prog.Plans))
		})
	})
}

// FuzzLoad: whatever stands in a file, the loader answers, and what it takes compiles again to the same.
func FuzzLoad(f *testing.F) {
	f.Add("rules:\n  - id: a\n    when: speed > 5\n    for: 30s\n")
	f.Add(`{"plans":[{"id":"p","items":[{"id":"i","every":{"km":10000,"months":12}}]}]}`)
	f.Add("policy: {group: {wait: 10m}, day_starts: \"09:00\"}")
	f.Add("rules: [{id: a, when: 'dtc(\"P0*\")', until: '!mil', notify: {owner: now}, message: {owner: {en: '{{.speed}}'}}}]")
	f.Add("&a [*a, !!x y, <<: {}, ? k]\n---\nb: |\n  c")
	f.Fuzz(func(t *testing.T, content string) {
		if len(content) > 4096 {
			return
		}
		files := []rules.File{{Name: "f.yaml", Content: content}}
		prog, err := rules.Load(files, ingest.BuiltinCatalogue())
		if (prog == nil) == (err == nil) {
			t.Fatalf("program %v and error %v", prog, err)
		}
		var problems rules.Problems
		if err == nil {
			return
		}
		if !errors.As(err, &problems) {
			t.Fatalf("error %v is no list of problems", err)
		}
		for _, p := range problems {
			if p.File != "f.yaml" || p.Message == "" || strings.ContainsRune(p.Text, '\n') {
				t.Errorf("problem %+v", p)
			}
		}
	})
}
