package rules

import (
	"fmt"

	"github.com/milepost-io/milepost/ingest/strictyaml"
)

// identifier returns the id of a rule, plan or item: it becomes part of event ids, labels and URLs.
func (l *loader) identifier(m map[string]*strictyaml.Node, owner *strictyaml.Node, what string) (string, bool) {
	n, ok := m["id"]
	if !ok {
		l.At(owner, what+" without id", "an id")
		return "", false
	}
	id := n.Text
	if !validID(id) {
		l.At(n, fmt.Sprintf("id %q of %s", id, what), "1 to 64 letters, digits, - _ .")
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

// claim is a name taken by a rule, plan or item.
type claim struct {
	kind string
	key  uint64
}

// claim takes an id of a kind for the node that gives it.
func (l *loader) claim(n *strictyaml.Node, kind, id string, key uint64) {
	c := claim{kind, key}
	if first, taken := l.claimed[c]; taken {
		l.At(n, fmt.Sprintf("%s %q is defined twice, first at %s", kind, id, first.Place()), "one of a name")
		return
	}
	l.claimed[c] = n
}
