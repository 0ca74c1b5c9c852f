package strictyaml

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/milepost-io/milepost/ingest/nearest"
)

// Keys is what a map may hold.
type Keys struct {
	// What the map is, for messages: "a rule".
	What string
	// Known keys of this version; Later ones are part of the language but not of this version.
	Known, Later []string
}

// Fields returns the entries of a map by name and notes what does not belong there. A nil result means
// that n is no map.
func (r *Reader) Fields(n *Node, k Keys) map[string]*Node {
	if n.Kind != Map {
		r.At(n, fmt.Sprintf("%s is %s", k.What, n.Kind), "a map with "+keys(k.Known))
		return nil
	}
	out := make(map[string]*Node, len(n.Fields))
	for _, f := range n.Fields {
		switch {
		case slices.Contains(k.Known, f.Name):
			out[f.Name] = f.Value
		case slices.Contains(k.Later, f.Name):
			r.At(f.Key, fmt.Sprintf("%q is not in this version", f.Name), "")
		default:
			p := r.At(f.Key, fmt.Sprintf("unknown key %q in %s", f.Name, k.What), anyOf(k.Known))
			p.Nearest = nearest.Word(f.Name, k.Known)
		}
	}
	return out
}

func keys(names []string) string {
	if len(names) == 1 {
		return "the key " + names[0]
	}
	return "the keys " + strings.Join(names, ", ")
}

// anyOf lists what may stand in a place.
func anyOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return "one of " + strings.Join(names, ", ")
}

// List returns the items of a list.
func (r *Reader) List(n *Node, what string) []*Node {
	if n.Kind != List {
		r.At(n, fmt.Sprintf("%s is %s", what, n.Kind), "a list")
		return nil
	}
	return n.Items
}

// Text returns a scalar as text.
func (r *Reader) Text(n *Node, what string) (string, bool) {
	if n.Kind != Text {
		r.At(n, fmt.Sprintf("%s is %s", what, n.Kind), "text")
		return "", false
	}
	return n.Text, true
}

// Choice returns one of the named values; later ones are refused by name.
func (r *Reader) Choice(n *Node, what string, known, later []string) (string, bool) {
	s, ok := r.Text(n, what)
	switch {
	case !ok:
		return "", false
	case slices.Contains(known, s):
		return s, true
	case slices.Contains(later, s):
		r.At(n, fmt.Sprintf("%q is not in this version", s), anyOf(known))
	default:
		r.At(n, fmt.Sprintf("%s is %q", what, s), anyOf(known)).Nearest = nearest.Word(s, known)
	}
	return "", false
}

// Flag returns true or false.
func (r *Reader) Flag(n *Node, what string) bool {
	if n.Kind != Bool {
		r.At(n, fmt.Sprintf("%s is %s", what, n), "true or false")
	}
	return n.Kind == Bool && n.Text == "true"
}

// Number returns a finite number within [low, high].
func (r *Reader) Number(n *Node, what string, low, high float64) (float64, bool) {
	v, err := strconv.ParseFloat(n.Text, 64)
	if (n.Kind != Int && n.Kind != Float) || err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < low || v > high {
		expected := "a number"
		if !math.IsInf(low, 0) || !math.IsInf(high, 0) {
			expected = fmt.Sprintf("a number from %s to %s", shortNumber(low), shortNumber(high))
		}
		r.At(n, fmt.Sprintf("%s is %s", what, n), expected)
		return 0, false
	}
	return v, true
}

// shortNumber writes a number without needless digits.
func shortNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Whole returns a whole number within [low, high].
func (r *Reader) Whole(n *Node, what string, low, high int) (int, bool) {
	v, err := strconv.Atoi(n.Text)
	if n.Kind != Int || err != nil || v < low || v > high {
		r.At(n, fmt.Sprintf("%s is %s", what, n), fmt.Sprintf("a whole number from %d to %d", low, high))
		return 0, false
	}
	return v, true
}

// Duration returns a duration of S8.
func (r *Reader) Duration(n *Node, what string) (time.Duration, bool) {
	d, ok := ParseDuration(n.Text)
	if n.Kind != Text || !ok {
		r.At(n, fmt.Sprintf("%s is %s", what, n), "a whole number with s, m, h, d or w, such as 30s or 7d")
		return 0, false
	}
	return d, true
}
