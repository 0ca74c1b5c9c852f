package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// problem notes a mistake at a place of the file being loaded; line 0 is the file as a whole.
func (l *loader) problem(src *source, line, col int, message, expected string) *Problem {
	p := Problem{File: src.file.Name, Line: line, Column: col, Message: message, Expected: expected}
	if line >= 1 && line <= len(src.lines) {
		p.Text = src.lines[line-1]
	}
	l.problems = append(l.problems, p)
	return &l.problems[len(l.problems)-1]
}

// at notes a mistake where a value stands.
func (l *loader) at(n *node, message, expected string) *Problem {
	return l.problem(l.src, n.line, n.col, message, expected)
}

// keys is what a map of a rule file may hold.
type keys struct {
	// what the map is, for messages: "a rule".
	what string
	// known keys of this version; later ones are part of the language but not of this version.
	known, later []string
}

// fields returns the entries of a map by name and reports what does not belong there. A nil result
// means that n is no map.
func (l *loader) fields(n *node, k keys) map[string]*node {
	if n.kind != mapNode {
		l.at(n, fmt.Sprintf("%s is %s", k.what, n.kind), "a map with the keys "+strings.Join(k.known, ", "))
		return nil
	}
	out := make(map[string]*node, len(n.fields))
	for _, f := range n.fields {
		switch {
		case slices.Contains(k.known, f.name):
			out[f.name] = f.value
		case slices.Contains(k.later, f.name):
			l.problem(l.src, f.line, f.col, fmt.Sprintf("%q is not in this version", f.name), "")
		default:
			p := l.problem(l.src, f.line, f.col, fmt.Sprintf("unknown key %q in %s", f.name, k.what), "one of "+strings.Join(k.known, ", "))
			p.Nearest = nearest(f.name, k.known)
		}
	}
	return out
}

// list returns the items of a list.
func (l *loader) list(n *node, what string) []*node {
	if n.kind != listNode {
		l.at(n, fmt.Sprintf("%s is %s", what, n.kind), "a list")
		return nil
	}
	return n.items
}

// text returns a scalar as text.
func (l *loader) text(n *node, what string) (string, bool) {
	if n.kind != textNode {
		l.at(n, fmt.Sprintf("%s is %s", what, n.kind), "text")
		return "", false
	}
	return n.text, true
}

// identifier returns the id of a rule, plan or item: it becomes part of event ids, labels and URLs.
func (l *loader) identifier(m map[string]*node, owner *node, what string) (string, bool) {
	n, ok := m["id"]
	if !ok {
		l.at(owner, what+" without id", "an id")
		return "", false
	}
	id := n.text
	if !validID(id) || n.kind == nullNode {
		l.at(n, fmt.Sprintf("id %q of %s", id, what), "1 to 64 letters, digits, - _ .")
		return "", false
	}
	return id, true
}

func validID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// choice returns one of the named values; later ones are refused by name.
func (l *loader) choice(n *node, what string, known, later []string) (string, bool) {
	s, ok := l.text(n, what)
	switch {
	case !ok:
		return "", false
	case slices.Contains(known, s):
		return s, true
	case slices.Contains(later, s):
		l.at(n, fmt.Sprintf("%q is not in this version", s), "one of "+strings.Join(known, ", "))
	default:
		l.at(n, fmt.Sprintf("%s is %q", what, s), "one of "+strings.Join(known, ", ")).Nearest = nearest(s, known)
	}
	return "", false
}

// flag returns true or false.
func (l *loader) flag(n *node, what string) bool {
	if n.kind != boolNode {
		l.at(n, fmt.Sprintf("%s is %s", what, n.kind), "true or false")
	}
	return n.kind == boolNode && n.text == "true"
}

// number returns a number within [low, high].
func (l *loader) number(n *node, what string, low, high float64) (float64, bool) {
	v, err := strconv.ParseFloat(n.text, 64)
	if (n.kind != intNode && n.kind != floatNode) || err != nil || math.IsNaN(v) || v < low || v > high {
		l.at(n, fmt.Sprintf("%s is %q", what, n.text), fmt.Sprintf("a number from %s to %s", shortNumber(low), shortNumber(high)))
		return 0, false
	}
	return v, true
}

// whole returns a whole number within [low, high].
func (l *loader) whole(n *node, what string, low, high int) (int, bool) {
	v, err := strconv.Atoi(n.text)
	if n.kind != intNode || err != nil || v < low || v > high {
		l.at(n, fmt.Sprintf("%s is %q", what, n.text), fmt.Sprintf("a whole number from %d to %d", low, high))
		return 0, false
	}
	return v, true
}

// shortNumber writes a number without needless digits.
func shortNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// maxDuration keeps sums of a time and a duration far from overflow: 100 years.
const maxDuration = 36500 * 24 * time.Hour

// duration returns a duration of S8 in milliseconds.
func (l *loader) duration(n *node, what string) (int64, bool) {
	ms, ok := parseDuration(n.text)
	if n.kind != textNode || !ok {
		l.at(n, fmt.Sprintf("%s is %q", what, n.text), "a whole number with s, m, h, d or w, such as 30s or 7d")
		return 0, false
	}
	return ms, true
}

// parseDuration reads an integer with one of the units s m h d w (d = 24 h) as milliseconds (S8).
func parseDuration(s string) (int64, bool) {
	if len(s) < 2 || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[s[len(s)-1]]
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	if unit == 0 || err != nil || n > int64(maxDuration/unit) {
		return 0, false
	}
	return n * unit.Milliseconds(), true
}

// titles returns text by language, in the order of the file.
func (l *loader) titles(n *node, what string) []langText {
	if n.kind != mapNode || len(n.fields) == 0 {
		l.at(n, fmt.Sprintf("%s is %s", what, n.kind), "text by language, such as {en: …, zh: …}")
		return nil
	}
	var out []langText
	for _, f := range n.fields {
		if !validLanguage(f.name) {
			l.problem(l.src, f.line, f.col, fmt.Sprintf("language %q", f.name), "a language tag such as en or zh-Hant")
			continue
		}
		if s, ok := l.text(f.value, what); ok {
			out = append(out, langText{lang: f.name, text: s, at: f.value})
		}
	}
	return out
}

// langText is a text in one language.
type langText struct {
	lang, text string
	at         *node
}

// validLanguage accepts what looks like a BCP 47 tag.
func validLanguage(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if len(part) > 8 || len(part) < 1 || (i == 0 && len(part) < 2) {
			return false
		}
		for _, c := range part {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}

// byLanguage is texts as the map that events carry.
func byLanguage(ts []langText) map[string]string {
	if len(ts) == 0 {
		return nil
	}
	out := make(map[string]string, len(ts))
	for _, t := range ts {
		out[t.lang] = t.text
	}
	return out
}
