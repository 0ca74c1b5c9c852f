package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/ingest/strictyaml"
	"github.com/milepost-io/milepost/rules/cond"
)

// condition compiles the text of a condition; nil when it is wrong.
func (l *loader) condition(n *strictyaml.Node, what string) *cond.Cond {
	text, ok := l.Text(n, what)
	if !ok {
		return nil
	}
	c, err := cond.Compile(l.env, text)
	if err == nil {
		return c
	}
	var ce *cond.Error
	if !errors.As(err, &ce) {
		l.At(n, fmt.Sprintf("%s: %v", what, err), "a condition")
		return nil
	}
	l.Within(n, ce.Line, ce.Column, what, ce.Msg, "").Nearest = ce.Nearest
	return nil
}

// profileCondition compiles a condition that only reads the profile: whether a rule or plan applies to a
// vehicle is decided when its profile changes, not with every sample.
func (l *loader) profileCondition(n *strictyaml.Node, what string) *cond.Cond {
	c := l.condition(n, what)
	if c == nil {
		return nil
	}
	wrong := len(c.Signals()) > 0 || len(c.KMOf()) > 0 || len(c.DaysOf()) > 0 || c.Hourly()
	for _, i := range c.Facts() {
		wrong = wrong || !strings.HasPrefix(l.env.Facts()[i], "vehicle.")
	}
	if wrong {
		l.At(n, what+" reads more than the profile", "a condition on vehicle.… alone")
		return nil
	}
	return c
}

// templateName checks a name used in the message n.
func (l *loader) templateName(n *strictyaml.Node, what string, t templateName) {
	if path, ok := strings.CutPrefix(t.name, "vehicle."); ok && validPath(path) {
		return
	}
	if _, ok := l.catalogue.Index(t.name); ok {
		return
	}
	line, column := 1, 1
	for _, c := range []rune(n.Text)[:t.at] {
		if column++; c == '\n' {
			line, column = line+1, 1
		}
	}
	p := l.Within(n, line, column, what, fmt.Sprintf("unknown name {{.%s}}", t.name), "a signal or vehicle.…")
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
