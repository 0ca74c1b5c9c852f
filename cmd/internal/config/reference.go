package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Reference is docs/configuration.md: every key with its default and what it is for, in file order.
func Reference() string {
	var b strings.Builder
	b.WriteString("# Configuration\n\nGenerated from the code by `milepost check config --reference`; a test holds the two together.\n\n" +
		"One YAML file, strict: an unknown key is an error that names the nearest one. No key is required; an empty\nfile is valid. Relative paths are the file's. " +
		"`MILEPOST_` and the key in capitals with `_` for `.` override a\nsingle value: `MILEPOST_HTTP_LISTEN=127.0.0.1:9000`.\n\n" +
		"Durations are integers with `ms s m h d w y` (d = 24 h, y = 365 d), sizes integers with `B KiB MiB GiB TiB`.\n\n| key | default | what it is for |\n|---|---|---|\n")
	rows(&b, reflect.TypeFor[Config](), "")
	return b.String()
}

func rows(b *strings.Builder, t reflect.Type, at string) {
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("key")
		if key == "-" {
			continue
		}
		path := dot(at, ".") + key
		kind := f.Type.Kind()
		if doc := f.Tag.Get("doc"); doc != "" {
			def := f.Tag.Get("default")
			switch {
			case def != "":
				def = "`" + def + "`"
			case strings.HasSuffix(at, "[]"):
				def = "required"
			default:
				def = "none"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", path, def, doc)
		}
		switch {
		case kind == reflect.Struct:
			rows(b, f.Type, path)
		case kind == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			rows(b, f.Type.Elem(), path+"[]")
		}
	}
}
