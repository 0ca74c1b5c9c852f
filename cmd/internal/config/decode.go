package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/milepost-io/milepost/ingest/strictyaml"
)

// Problems are everything that is wrong with a file and the environment, each with its place.
type Problems = strictyaml.Problems

// Parse decodes a file's content over the defaults and checks it. dir anchors relative paths. The error, if
// any, is a Problems.
func Parse(path string, b []byte, dir string, env []string) (*Config, error) {
	c := &Config{Dir: dir, File: path}
	d := &decoder{path: path, places: map[string]*strictyaml.Node{}, env: environment(env), fromEnv: map[string]bool{}}
	top := reflect.ValueOf(c).Elem()
	defaults(top)
	c.MQTT.Topics = defaultTopics()
	if root := d.Parse(path, string(b)); root != nil {
		d.mapping(root, top, "")
	}
	d.overrides(top, "")
	d.unknownVariables(top.Type())
	if c.MQTT.Connect.URL != "" && d.places["mqtt.listen"] == nil && !d.fromEnv["mqtt.listen"] {
		c.MQTT.Listen = "" // a broker of the user's stands instead of the embedded one
	}
	for _, k := range []string{"policy.group.wait", "policy.consent_default", "policy.day_starts"} {
		if d.places[k] != nil || d.fromEnv[k] {
			c.Policy.Given = append(c.Policy.Given, k)
		}
	}
	if len(d.Problems) == 0 {
		for _, p := range c.check() {
			d.located(p)
		}
	}
	if err := d.Err(); err != nil {
		return nil, err
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
	for _, p := range []*string{
		&c.HTTP.TokensFile, &c.HTTP.TLS.CertFile, &c.HTTP.TLS.KeyFile,
		&c.MQTT.UsersFile, &c.MQTT.TLS.CertFile, &c.MQTT.TLS.KeyFile, &c.MQTT.TLS.ClientCAFile,
		&c.MQTT.Connect.PasswordFile, &c.MQTT.Connect.TLS.CAFile, &c.MQTT.Connect.TLS.CertFile, &c.MQTT.Connect.TLS.KeyFile,
		&c.Kafka.SASL.PasswordFile, &c.Kafka.TLS.CAFile, &c.Kafka.TLS.CertFile, &c.Kafka.TLS.KeyFile,
	} {
		abs(p)
	}
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

// decoder sets the fields of a Config from a file.
type decoder struct {
	strictyaml.Reader
	path   string
	places map[string]*strictyaml.Node // values of the file by key: "mqtt.topics[0].codec"
	// env are the variables not taken yet, fromEnv the keys that were set by one.
	env     map[string]string
	fromEnv map[string]bool
}

// located notes a problem that check found ("http.listen: …") at its key's place in the file.
func (d *decoder) located(problem string) {
	key, _, _ := strings.Cut(problem, ": ")
	for key != "" {
		if n, ok := d.places[key]; ok {
			d.At(n, problem, "")
			return
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	d.Problems = append(d.Problems, strictyaml.Problem{File: d.path, Message: problem})
}

func (d *decoder) value(n *strictyaml.Node, v reflect.Value, at string) {
	d.places[at] = n
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, at)
	case reflect.Slice:
		d.sequence(n, v, at)
	default:
		if kind, expected := scalarOf(v); n.Kind != kind || !set(v, n.Text) {
			d.At(n, fmt.Sprintf("%s is %s", at, n), expected)
		}
	}
}

// mapping sets the fields of a struct. A section with nothing in it is empty: its keys may be commented out.
func (d *decoder) mapping(n *strictyaml.Node, v reflect.Value, at string) {
	if n.Kind == strictyaml.Null {
		return
	}
	keys := strictyaml.Keys{What: at, Known: keysOf(v.Type())}
	if at == "" {
		keys.What = "the configuration"
	}
	for _, f := range n.Fields {
		if later(dot(at, ".") + f.Name) {
			keys.Later = append(keys.Later, f.Name)
		}
	}
	m := d.Fields(n, keys)
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("key")
		if value, ok := m[key]; ok && key != "-" {
			d.value(value, v.Field(i), dot(at, ".")+key)
		}
	}
}

func dot(at, sep string) string {
	if at == "" {
		return ""
	}
	return at + sep
}

func (d *decoder) sequence(n *strictyaml.Node, v reflect.Value, at string) {
	items := d.List(n, at)
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		defaults(out.Index(i))
		d.value(item, out.Index(i), fmt.Sprintf("%s[%d]", at, i))
	}
	v.Set(out)
}

// defaults fills a struct from its tags.
func defaults(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		f, t := v.Field(i), v.Type().Field(i)
		def := t.Tag.Get("default")
		switch {
		case t.Tag.Get("key") == "-":
		case f.Kind() == reflect.Struct:
			defaults(f)
		case f.Kind() == reflect.Slice && strings.HasPrefix(def, "["):
			f.Set(reflect.ValueOf(strings.Split(strings.Trim(def, "[]"), ",")))
		case f.Kind() == reflect.Slice || def == "":
		case !set(f, def):
			panic(fmt.Sprintf("default of %s: %q", t.Name, def)) // the tags are part of the binary
		}
	}
}

// scalarOf is what a file must hold for v, and how to say it.
func scalarOf(v reflect.Value) (kind strictyaml.Kind, expected string) {
	switch v.Interface().(type) {
	case Duration:
		return strictyaml.Text, "a whole number with ms, s, m, h, d, w or y, such as 7d"
	case Size:
		return strictyaml.Text, "a whole number with B, KiB, MiB, GiB or TiB, such as 20GiB"
	case bool:
		return strictyaml.Bool, "true or false"
	case int:
		return strictyaml.Int, "a whole number"
	}
	return strictyaml.Text, "text"
}

// set takes a scalar's text into v and reports whether it is one of v's type.
func set(v reflect.Value, s string) bool {
	switch to := v.Addr().Interface().(type) {
	case *Duration:
		d, ok := ParseDuration(s)
		*to = d
		return ok
	case *Size:
		n, ok := ParseSize(s)
		*to = n
		return ok
	case *bool:
		*to = s == "true"
		return s == "true" || s == "false"
	case *int:
		n, err := strconv.Atoi(s)
		*to = n
		return err == nil
	case *string:
		*to = s
		return true
	}
	panic(fmt.Sprintf("config: a key of type %s", v.Type()))
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
