package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/cond"
)

// Load checks the files of a rules folder and compiles them into a Program. Files are taken in byte order
// of their names, whatever their order in the argument; the catalogue says which signals there are.
// The error, if any, is a Problems with every mistake found, and the Program is then nil.
func Load(files []File, catalogue *ingest.Catalogue) (*Program, error) {
	l := &loader{
		catalogue: catalogue,
		program:   &Program{catalogue: catalogue, Policy: defaultPolicy()},
		claimed:   map[claim]Problem{},
	}
	sections := l.parse(files)
	env, err := newEnv(catalogue, itemIDs(sections))
	if err != nil {
		return nil, fmt.Errorf("load rules: %w", err)
	}
	l.env = env
	for _, s := range sections {
		l.src = s.src
		l.section(s)
	}
	l.problems.sortByPlace()
	if err := l.problems.err(); err != nil {
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
	catalogue *ingest.Catalogue
	env       *cond.Env
	src       *source
	problems  Problems
	program   *Program
	// claimed ids and where they were first seen: two of one kind may not meet, nor may their hashes.
	claimed map[claim]Problem
}

// claim is a name taken by a rule, plan or item.
type claim struct {
	kind string
	key  uint64
}

// claim takes an id of a kind for the node that gives it.
func (l *loader) claim(n *node, kind, id string, key uint64) {
	c := claim{kind, key}
	if first, taken := l.claimed[c]; taken {
		l.at(n, fmt.Sprintf("%s %q is defined twice, first at %s:%d:%d", kind, id, first.File, first.Line, first.Column), "one of a name")
		return
	}
	l.claimed[c] = Problem{File: l.src.file.Name, Line: n.line, Column: n.col}
}

// section is one top-level key of a file with its value.
type section struct {
	src  *source
	name string
	n    *node
}

// parse reads the files into their sections, in order.
func (l *loader) parse(files []File) []section {
	var out []section
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range files {
		src := &source{file: f, lines: strings.Split(strings.ReplaceAll(f.Content, "\r\n", "\n"), "\n")}
		l.src = src
		root := l.parseYAML(src)
		if root == nil || root.kind == nullNode {
			continue // an empty file is fine, a broken one has been reported
		}
		if l.fields(root, topKeys()) == nil {
			continue
		}
		for _, field := range root.fields {
			if slices.Contains(topKeys().known, field.name) && field.value.kind != nullNode {
				out = append(out, section{src, field.name, field.value})
			}
		}
	}
	return out
}

// section loads one top-level key.
func (l *loader) section(s section) {
	switch s.name {
	case "rules":
		for _, n := range l.list(s.n, "rules") {
			l.rule(n)
		}
	case "plans":
		for _, n := range l.list(s.n, "plans") {
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
		for _, p := range s.n.items {
			for _, f := range p.fields {
				if f.name != "items" {
					continue
				}
				for _, item := range f.value.items {
					for _, g := range item.fields {
						if g.name == "id" {
							ids = append(ids, g.value.text)
						}
					}
				}
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
