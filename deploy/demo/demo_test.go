package demo

import (
	"io/fs"
	"testing"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules"
)

// The demo must load as it stands, in both languages.
func TestRulesLoad(t *testing.T) {
	entries, err := fs.ReadDir(Rules, RulesDir)
	if err != nil {
		t.Fatal(err)
	}
	var files []rules.File
	for _, e := range entries {
		content, err := fs.ReadFile(Rules, RulesDir+"/"+e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, rules.File{Name: e.Name(), Content: string(content)})
	}
	p, err := rules.Load(files, ingest.BuiltinCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Rules) < 8 || len(p.Plans) != 3 {
		t.Fatalf("%d rules, %d plans", len(p.Rules), len(p.Plans))
	}
	for _, r := range p.Rules {
		if len(r.Title) != 2 {
			t.Errorf("rule %s: titles %v, expected en and zh", r.ID, r.Title)
		}
	}
	for _, plan := range p.Plans {
		for _, it := range plan.Items {
			if it.Title["en"] == "" || it.Title["zh"] == "" {
				t.Errorf("item %s of %s: titles %v, expected en and zh", it.ID, plan.ID, it.Title)
			}
		}
	}
}
