package cond

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common"
)

// firstError is cel-go's first mistake by place, nil without one, worded for the writer of a rule.
func firstError(errs *common.Errors, src string) *Error {
	if errs == nil || len(errs.GetErrors()) == 0 {
		return nil
	}
	first := errs.GetErrors()[0]
	for _, e := range errs.GetErrors()[1:] {
		if before(e.Location, first.Location) {
			first = e
		}
	}
	e := &Error{Line: max(first.Location.Line(), 1), Column: max(first.Location.Column()+1, 1)}
	e.Msg = explain(strings.TrimPrefix(first.Message, "Syntax error: "), wordAt(src, e.Line, e.Column))
	return e
}

func before(a, b common.Location) bool {
	return a.Line() < b.Line() || a.Line() == b.Line() && a.Column() < b.Column()
}

// explain words a message of cel-go about the word at its place.
func explain(msg, word string) string {
	switch {
	case strings.Contains(msg, "recursion limit"):
		return fmt.Sprintf("nested deeper than %d", MaxDepth)
	case strings.Contains(msg, "argument to has()"):
		return "has() asks about a fact, as in has(vehicle.x); of a signal ask known(x)"
	case strings.HasPrefix(msg, "mismatched input"):
		_, expected, _ := strings.Cut(msg, " expecting ")
		return fmt.Sprintf("expected %s, found %s", strings.Trim(expected, "'"), word)
	case strings.HasPrefix(msg, "unexpected token"), msg == "unexpected character":
		return "unexpected " + word + habit(word)
	default:
		return msg
	}
}

// habit says how CEL writes what is a word of other languages.
func habit(word string) string {
	switch word {
	case "`and`":
		return ": write &&"
	case "`or`":
		return ": write ||"
	case "`=`":
		return ": write =="
	default:
		return ""
	}
}

// wordAt is the word or the character at a place, quoted, or "the end".
func wordAt(src string, line, column int) string {
	lines := strings.Split(src, "\n")
	if line > len(lines) {
		return "the end"
	}
	runes := []rune(lines[line-1])
	if column > len(runes) {
		if line < len(lines) {
			return "the end of the line"
		}
		return "the end"
	}
	rest := runes[column-1:]
	n := 0
	for n < len(rest) && rest[n] < utf8.RuneSelf && isWord(byte(rest[n])) {
		n++
	}
	return "`" + string(rest[:max(n, 1)]) + "`"
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// invalidUTF8 points at the first byte that is not UTF-8.
func invalidUTF8(src string) *Error {
	e := &Error{Line: 1, Column: 1, Msg: "the text is not valid UTF-8"}
	for i, r := range src {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(src[i:]); n == 1 {
				break
			}
		}
		if e.Column++; r == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}
