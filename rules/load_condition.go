package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/rules/cond"
)

// condition compiles the text of a condition; nil when it is wrong.
func (l *loader) condition(n *node, what string) *cond.Cond {
	text, ok := l.text(n, what)
	if !ok {
		return nil
	}
	c, err := cond.Compile(l.env, text)
	if err == nil {
		return c
	}
	var ce *cond.Error
	if !errors.As(err, &ce) {
		l.at(n, fmt.Sprintf("%s: %v", what, err), "a condition")
		return nil
	}
	line, col, ok := l.placeIn(n, ce.Line, ce.Column)
	if ok {
		l.problem(l.src, line, col, what+": "+ce.Msg, "").Nearest = ce.Nearest
	} else {
		l.at(n, fmt.Sprintf("%s, line %d column %d: %s", what, ce.Line, ce.Column, ce.Msg), "").Nearest = ce.Nearest
	}
	return nil
}

// placeIn is the place in the file of a place in a text; ok is false where a folded or escaped text does
// not stand in the file as it is.
func (l *loader) placeIn(n *node, line, col int) (int, int, bool) {
	switch at := n.blockLine + line - 1; {
	case n.textCol > 0 && line <= 1:
		return n.line, n.textCol + col - 1, true
	case n.blockLine > 0 && at <= len(l.src.lines):
		lines := strings.Split(n.text, "\n")
		text := lines[min(line, len(lines))-1]
		indent := strings.Index(l.src.lines[at-1], text)
		return at, indent + col, indent >= 0
	}
	return 0, 0, false
}

// profileCondition compiles a condition that only reads the profile: whether a rule or plan applies to a
// vehicle is decided when its profile changes, not with every sample.
func (l *loader) profileCondition(n *node, what string) *cond.Cond {
	c := l.condition(n, what)
	if c == nil {
		return nil
	}
	wrong := len(c.Signals()) > 0 || len(c.KMOf()) > 0 || len(c.DaysOf()) > 0 || c.Hourly()
	for _, i := range c.Facts() {
		wrong = wrong || !strings.HasPrefix(l.env.Facts()[i], "vehicle.")
	}
	if wrong {
		l.at(n, what+" reads more than the profile", "a condition on vehicle.… alone")
		return nil
	}
	return c
}

// templateName checks a name used in a message.
func (l *loader) templateName(n *node, t templateName) {
	if path, ok := strings.CutPrefix(t.name, "vehicle."); ok && validPath(path) {
		return
	}
	if _, ok := l.catalogue.Index(t.name); ok {
		return
	}
	line, col := n.line, n.col
	if n.textCol > 0 {
		col = n.textCol + t.at
	}
	p := l.problem(l.src, line, col, fmt.Sprintf("unknown name {{.%s}} in a message", t.name), "a signal or vehicle.…")
	p.Nearest = l.catalogue.Nearest(t.name)
}

// validPath accepts a dotted path into a profile.
func validPath(s string) bool {
	for _, part := range strings.Split(s, ".") {
		if !validID(part) {
			return false
		}
	}
	return true
}
