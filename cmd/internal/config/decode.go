package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Problems are everything that is wrong with a file, each with its place.
type Problems []string

func (p Problems) Error() string { return strings.Join(p, "\n") }

// Parse decodes a file's content over the defaults and checks it. dir anchors relative paths.
func Parse(path string, b []byte, dir string, env []string) (*Config, error) {
	c := &Config{Dir: dir, File: path}
	d := &decoder{path: path, lines: strings.Split(string(b), "\n"), env: environment(env), fromEnv: map[string]bool{}}
	d.defaults(reflect.ValueOf(c).Elem())
	c.MQTT.Topics = defaultTopics()
	f, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, Problems{fmt.Sprintf("%s: %v", path, err)}
	}
	if len(f.Docs) > 1 {
		return nil, Problems{path + ": one document expected, more found"}
	}
	if len(f.Docs) == 1 && f.Docs[0].Body != nil && f.Docs[0].Body.Type() != ast.NullType {
		d.value(f.Docs[0].Body, reflect.ValueOf(c).Elem(), "")
	}
	d.overrides(reflect.ValueOf(c).Elem(), "")
	for _, k := range []string{"policy.group.wait", "policy.consent_default", "policy.day_starts"} {
		if d.places[k] != nil || d.fromEnv[k] {
			c.Policy.Given = append(c.Policy.Given, k)
		}
	}
	if len(d.problems) == 0 {
		for _, p := range c.check() {
			d.problems = append(d.problems, d.located(p))
		}
	}
	if len(d.problems) > 0 {
		return nil, Problems(d.problems)
	}
	c.anchor()
	return c, nil
}

// anchor makes relative paths relative to the file.
func (c *Config) anchor() {
	abs := func(p *string) {
		if *p != "" && *p != "-" && !filepath.IsAbs(*p) {
			*p = filepath.Join(c.Dir, *p)
		}
	}
	abs(&c.Data)
	abs(&c.Rules)
	abs(&c.Signals)
	abs(&c.HTTP.TokensFile)
	abs(&c.Notify.Log)
	for i := range c.Notify.Webhooks {
		abs(&c.Notify.Webhooks[i].SecretFile)
	}
}

func defaultTopics() []Topic {
	return []Topic{
		{Filter: "vehicles/+/telemetry", Codec: "json", Types: []string{"telemetry"}},
		{Filter: "vehicles/+/profile", Codec: "json", Types: []string{"vehicle"}},
		{Filter: "vehicles/+/service", Codec: "json", Types: []string{"service"}},
		{Filter: "vehicles/+/feedback", Codec: "json", Types: []string{"feedback"}},
		{Filter: "parties/+", Codec: "json", Types: []string{"party"}},
	}
}

type decoder struct {
	path     string
	lines    []string
	env      map[string]string
	problems []string
	places   map[string]ast.Node

	fromEnv map[string]bool // keys set by the environment
}

// fail records a problem at a node: file:line:column, the line, a caret.
func (d *decoder) fail(n ast.Node, format string, args ...any) {
	d.problems = append(d.problems, d.place(n)+fmt.Sprintf(format, args...)+d.caret(n))
}

func (d *decoder) place(n ast.Node) string {
	p := n.GetToken().Position
	return fmt.Sprintf("%s:%d:%d: ", d.path, p.Line, p.Column)
}

func (d *decoder) caret(n ast.Node) string {
	p := n.GetToken().Position
	if p.Line < 1 || p.Line > len(d.lines) {
		return ""
	}
	line := strings.TrimRight(d.lines[p.Line-1], "\r")
	return "\n  " + line + "\n  " + strings.Repeat(" ", max(0, p.Column-1)) + "^"
}

// located puts a problem that check found ("http.listen: …") at its key's place in the file.
func (d *decoder) located(problem string) string {
	key, _, _ := strings.Cut(problem, ": ")
	for key != "" {
		if n, ok := d.places[key]; ok {
			return d.place(n) + problem + d.caret(n)
		}
		i := strings.LastIndexAny(key, ".[")
		if i < 0 {
			break
		}
		key = key[:i]
	}
	if d.path == "" {
		return problem
	}
	return d.path + ": " + problem
}

func (d *decoder) value(n ast.Node, v reflect.Value, at string) {
	if d.places == nil {
		d.places = map[string]ast.Node{}
	}
	d.places[at] = n
	switch {
	case v.Kind() == reflect.Struct:
		d.mapping(n, v, at)
	case v.Kind() == reflect.Slice:
		d.sequence(n, v, at)
	default:
		s, ok := scalar(n)
		if !ok {
			d.fail(n, "%s: expected a single value", at)
			return
		}
		if err := set(v, s); err != nil {
			d.fail(n, "%s: %v", at, err)
		}
	}
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, at string) {
	if n.Type() == ast.NullType {
		return
	}
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		d.fail(n, "%sexpected keys and values", dot(at, ": "))
		return
	}
	seen := map[string]bool{}
	for _, p := range pairs {
		key := p.Key.GetToken().Value
		path := dot(at, ".") + key
		field, ok := fieldOf(v, key)
		switch {
		case seen[key]:
			d.fail(p.Key, "%s stands twice", path)
		case ok:
			d.value(p.Value, field, path)
		case later(path):
			d.fail(p.Key, "%q is not in this version", path)
		default:
			d.fail(p.Key, "unknown key %q%s", path, nearest(key, keysOf(v.Type())))
		}
		seen[key] = true
	}
}

func dot(at, sep string) string {
	if at == "" {
		return ""
	}
	return at + sep
}

func (d *decoder) sequence(n ast.Node, v reflect.Value, at string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, "%s: expected a list", at)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values))
	for i, e := range s.Values {
		d.defaults(out.Index(i))
		d.value(e, out.Index(i), fmt.Sprintf("%s[%d]", at, i))
	}
	v.Set(out)
}

// defaults fills a struct from its tags.
func (d *decoder) defaults(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		f, t := v.Field(i), v.Type().Field(i)
		def := t.Tag.Get("default")
		switch {
		case t.Tag.Get("key") == "-":
		case f.Kind() == reflect.Struct:
			d.defaults(f)
		case f.Kind() == reflect.Slice && strings.HasPrefix(def, "["):
			f.Set(reflect.ValueOf(strings.Split(strings.Trim(def, "[]"), ",")))
		case f.Kind() == reflect.Slice || def == "":
		default:
			if err := set(f, def); err != nil {
				d.problems = append(d.problems, fmt.Sprintf("default of %s: %v", t.Name, err))
			}
		}
	}
}

// overrides applies MILEPOST_ variables to scalar keys.
func (d *decoder) overrides(v reflect.Value, at string) {
	for i := range v.NumField() {
		f, key := v.Field(i), v.Type().Field(i).Tag.Get("key")
		if key == "-" || f.Kind() == reflect.Slice {
			continue
		}
		path := dot(at, ".") + key
		if f.Kind() == reflect.Struct {
			d.overrides(f, path)
			continue
		}
		name := envName(path)
		if s, ok := d.env[name]; ok {
			delete(d.env, name)
			d.fromEnv[path] = true
			if err := set(f, s); err != nil {
				d.problems = append(d.problems, fmt.Sprintf("environment %s: %v", name, err))
			}
		}
	}
	if at != "" {
		return
	}
	for name := range d.env {
		d.problems = append(d.problems, fmt.Sprintf("environment %s: no such key%s", name, nearest(name, envNames(v.Type(), ""))))
	}
}

func envName(path string) string {
	return "MILEPOST_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

func environment(env []string) map[string]string {
	m := map[string]string{}
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, "MILEPOST_") {
			m[k] = v
		}
	}
	return m
}

func envNames(t reflect.Type, at string) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("key")
		switch {
		case key == "-" || f.Type.Kind() == reflect.Slice:
		case f.Type.Kind() == reflect.Struct:
			out = append(out, envNames(f.Type, dot(at, ".")+key)...)
		default:
			out = append(out, envName(dot(at, ".")+key))
		}
	}
	return out
}

func set(v reflect.Value, s string) error {
	switch v.Interface().(type) {
	case Duration:
		x, err := ParseDuration(s)
		v.SetInt(int64(x))
		return err
	case Size:
		x, err := ParseSize(s)
		v.SetInt(int64(x))
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		if s != "true" && s != "false" {
			return fmt.Errorf("%q (expected true or false)", s)
		}
		v.SetBool(s == "true")
	case reflect.Int:
		x, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%q is no whole number", s)
		}
		v.SetInt(int64(x))
	default:
		return errors.New("cannot be set")
	}
	return nil
}

func scalar(n ast.Node) (string, bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.LiteralNode:
		return x.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		return "", true
	}
	return "", false
}

func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if k := v.Type().Field(i).Tag.Get("key"); k == key && k != "-" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func keysOf(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("key"); k != "-" {
			out = append(out, k)
		}
	}
	return out
}
