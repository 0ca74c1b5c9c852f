package cond

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxGlob is the longest pattern, in bytes.
const MaxGlob = 64

// Glob is a compiled pattern: * stands for any run of characters, ? for one, everything else ([ and \
// included) for itself. The zero value matches the empty name only.
type Glob struct {
	shape globShape
	text  string
}

// globShape is how a pattern is matched: most need no search at all.
type globShape uint8

const (
	globExact  globShape = iota // P0301
	globPrefix                  // P03*
	globSuffix                  // *-OIL
	globSearch                  // everything else
)

// CompileGlob compiles a pattern; the error says why it cannot be one.
func CompileGlob(pattern string) (Glob, error) {
	switch {
	case pattern == "":
		return Glob{}, errors.New("the pattern is empty")
	case len(pattern) > MaxGlob:
		return Glob{}, fmt.Errorf("the pattern is %d bytes long, at most %d are allowed", len(pattern), MaxGlob)
	case !utf8.ValidString(pattern):
		return Glob{}, errors.New("the pattern is not valid UTF-8")
	}
	last := len(pattern) - 1
	switch strings.IndexAny(pattern, "*?") {
	case -1:
		return Glob{globExact, pattern}, nil
	case last:
		if pattern[last] == '*' {
			return Glob{globPrefix, pattern[:last]}, nil
		}
	case 0:
		if pattern[0] == '*' && !strings.ContainsAny(pattern[1:], "*?") {
			return Glob{globSuffix, pattern[1:]}, nil
		}
	}
	return Glob{globSearch, pattern}, nil
}

// Match reports whether the whole of name matches, in time at most the pattern's length times the name's.
func (g Glob) Match(name []byte) bool {
	switch g.shape {
	case globExact:
		return string(name) == g.text
	case globPrefix:
		return len(name) >= len(g.text) && string(name[:len(g.text)]) == g.text
	case globSuffix:
		return len(name) >= len(g.text) && string(name[len(name)-len(g.text):]) == g.text
	default:
		return search(g.text, name)
	}
}

// search matches with one point to fall back to: if the rest fails, only the last * needs to take one
// character more, as an earlier one could not do better.
func search(pattern string, name []byte) bool {
	p, n := 0, 0
	star, taken := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, taken = p, n
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			n += runeLen(name[n:])
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			taken += runeLen(name[taken:])
			p, n = star+1, taken
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

func runeLen(b []byte) int {
	_, n := utf8.DecodeRune(b)
	return n
}

// anyMatch reports whether a code of the set matches.
func (g Glob) anyMatch(c Codes) bool {
	for code, rest, ok := c.Next(); ok; code, rest, ok = rest.Next() {
		if g.Match(code) {
			return true
		}
	}
	return false
}
