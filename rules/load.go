package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/strictyaml"
	"github.com/milepost-io/milepost/rules/cond"
)

// Load checks the files of a rules folder and compiles them into a Program. Files are taken in byte order
// of their names, whatever their order in the argument; the catalogue says which signals there are.
// The error, if any, is a Problems with every mistake found, and the Program is then nil.
func Load(files []File, catalogue *ingest.Catalogue) (*Program, error) {
	l := &loader{
		catalogue: catalogue,
		program:   &Program{catalogue: catalogue, Policy: defaultPolicy()},
		claimed:   map[claim]*strictyaml.Node{},
	}
	sections := l.parse(files)
	env, err := newEnv(catalogue, itemIDs(sections))
	if err != nil {
		return nil, fmt.Errorf("load rules: %w", err)
	}
	l.env = env
	for _, s := range sections {
		l.section(s)
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	l.program.link(env)
	return l.program, nil
}

// RuleFile reports whether a file name belongs to the rules: .yaml, .yml or .json.
func RuleFile(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".json")
}

// loader turns rule files into a Program and collects every mistake on the way.
type loader struct {
	strictyaml.Reader
	catalogue *ingest.Catalogue
	env       *cond.Env
	program   *Program
	// claimed ids and where they were first seen: two of one kind may not meet, nor may their hashes.
	claimed map[claim]*strictyaml.Node
}

// section is one top-level key of a file with its value.
type section struct {
	name string
	n    *strictyaml.Node
}

// parse reads the files into their sections, in order.
func (l *loader) parse(files []File) []section {
	var out []section
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range files {
		root := l.Parse(f.Name, f.Content)
		if root == nil || l.Fields(root, topKeys()) == nil {
			continue // an empty file is fine, a broken one has been reported
		}
		for _, field := range root.Fields {
			if slices.Contains(topKeys().Known, field.Name) && field.Value.Kind != strictyaml.Null {
				out = append(out, section{field.Name, field.Value})
			}
		}
	}
	return out
}

// section loads one top-level key.
func (l *loader) section(s section) {
	switch s.name {
	case "rules":
		for _, n := range l.List(s.n, "rules") {
			l.rule(n)
		}
	case "plans":
		for _, n := range l.List(s.n, "plans") {
			l.plan(n)
		}
	case "policy":
		l.policy(s.n)
	}
}

// newEnv is what conditions may name.
func newEnv(c *ingest.Catalogue, items []string) (*cond.Env, error) {
	signals := make([]cond.Signal, c.Len())
	for i := range signals {
		s := c.Signal(i)
		signals[i] = cond.Signal{Name: s.Name, Kind: signalKind(s.Kind), HoldMS: s.Hold}
	}
	return cond.NewEnv(signals, items)
}

func signalKind(k ingest.SignalKind) cond.Kind {
	switch k {
	case ingest.Bool:
		return cond.BoolSignal
	case ingest.CodeSet:
		return cond.SetSignal
	default:
		return cond.NumberSignal
	}
}

// itemIDs are the items of all plans, sorted: what km_since and days_since may name. nil without plans.
func itemIDs(sections []section) []string {
	var ids []string
	for _, s := range sections {
		if s.name != "plans" {
			continue
		}
		for _, p := range s.n.Items {
			for _, f := range p.Fields {
				if f.Name != "items" {
					continue
				}
				for _, item := range f.Value.Items {
					for _, g := range item.Fields {
						if g.Name == "id" {
							ids = append(ids, g.Value.Text)
						}
					}
				}
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
