package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// template is a message with places for values: "the engine is at {{.coolant_temp}} °C".
type template struct {
	// parts alternate: text, name, text, name, …, text.
	parts []string
}

// templateName is a value a template names, with its place in the text (in characters, from 0).
type templateName struct {
	name string
	at   int
}

// parseTemplate reads a template and the names it uses.
func parseTemplate(s string) (template, []templateName, error) {
	var t template
	var names []templateName
	done := 0
	for {
		open := strings.Index(s[done:], "{{")
		if open < 0 {
			t.parts = append(t.parts, s[done:])
			return t, names, nil
		}
		open += done
		end := strings.Index(s[open:], "}}")
		if end < 0 {
			return t, nil, fmt.Errorf("{{ without }}")
		}
		end += open
		inner := strings.TrimSpace(s[open+2 : end])
		name, ok := strings.CutPrefix(inner, ".")
		if !ok || name == "" || strings.ContainsAny(name, " |(") {
			return t, nil, fmt.Errorf("{{%s}}", inner)
		}
		t.parts = append(t.parts, s[done:open], name)
		names = append(names, templateName{name: name, at: len([]rune(s[:open]))})
		done = end + 2
	}
}

// render fills in the values; value appends what a name stands for.
func (t *template) render(value func(dst []byte, name string) []byte) string {
	var out []byte
	for i, p := range t.parts {
		if i%2 == 0 {
			out = append(out, p...)
		} else {
			out = value(out, p)
		}
	}
	return string(out)
}

// noValue stands in a message for a value that is not known.
const noValue = "–"

// appendNumber writes a number for people: at most one decimal.
func appendNumber(dst []byte, v float64) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'f', 1, 64)
	if b := dst[start:]; strings.HasSuffix(string(b), ".0") {
		dst = dst[:len(dst)-2]
	}
	if string(dst[start:]) == "-0" {
		dst = append(dst[:start], '0')
	}
	return dst
}
