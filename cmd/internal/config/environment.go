package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/milepost-io/milepost/ingest/nearest"
	"github.com/milepost-io/milepost/ingest/strictyaml"
)

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
		name := envPrefix + envName(path)
		if s, ok := d.env[name]; ok {
			delete(d.env, name)
			d.fromEnv[path] = true
			if !set(f, s) {
				_, expected := scalarOf(f)
				d.variable(strictyaml.Problem{Message: fmt.Sprintf("%s is %q", name, s), Expected: expected})
			}
		}
	}
}

// unknownVariables refuses what no key has taken.
func (d *decoder) unknownVariables(t reflect.Type) {
	for _, name := range slices.Sorted(maps.Keys(d.env)) {
		p := strictyaml.Problem{Message: "no key for " + name}
		// Without the prefix, which would make all names alike.
		if near := nearest.Word(strings.TrimPrefix(name, envPrefix), envNames(t, "")); near != "" {
			p.Nearest = envPrefix + near
		}
		d.variable(p)
	}
}

func (d *decoder) variable(p strictyaml.Problem) {
	p.File = "environment"
	d.Problems = append(d.Problems, p)
}

const envPrefix = "MILEPOST_"

// TokenVariable is the one variable that is no key: the bearer token of the command line.
const TokenVariable = envPrefix + "TOKEN"

// envName is the variable of a key, without the prefix.
func envName(path string) string { return strings.ToUpper(strings.ReplaceAll(path, ".", "_")) }

// environment are the variables of this program by name.
func environment(env []string) map[string]string {
	m := map[string]string{}
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, envPrefix) && k != TokenVariable {
			m[k] = v
		}
	}
	return m
}

// envNames are the variables of all scalar keys, without the prefix.
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
