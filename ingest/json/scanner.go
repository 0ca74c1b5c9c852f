package json

import (
	"fmt"

	"github.com/milepost-io/milepost/ingest"
)

// scanner walks one payload. Its methods take the offset where a value begins and return the offset
// after it; -1 means that the payload is not JSON as we accept it, and failure says why. What is JSON
// but no event is noted by refuse, and the walk goes on: a broken payload is always reported as broken,
// wherever else it is wrong.
type scanner struct {
	p []byte
	// failure and refusal are set when their Reason is; a failure outranks a refusal, of which the first
	// counts.
	failure, refusal ingest.Error
	// unescaped holds the text of strings that had escapes; names, those of the members of open objects.
	unescaped []byte
	names     [][]byte
}

func (s *scanner) reset(p []byte) {
	s.p = p
	s.failure.Reason, s.refusal.Reason = "", ""
	s.unescaped, s.names = s.unescaped[:0], s.names[:0]
}

// fail records why the payload is not JSON and returns -1.
func (s *scanner) fail(reason string, at int, detail string) int {
	s.failure = ingest.Error{Reason: reason, Detail: detail, Offset: at}
	return -1
}

// refuse records why the payload is no event.
func (s *scanner) refuse(reason, field string, at int, detail string) {
	if s.refusal.Reason == "" {
		s.refusal = ingest.Error{Reason: reason, Field: field, Detail: detail, Offset: at}
	}
}

// verdict is the error of the payload as far as it was walked.
func (s *scanner) verdict() error {
	e := &s.failure
	if e.Reason == "" {
		e = &s.refusal
	}
	if e.Reason == "" {
		return nil
	}
	kept := *e // the scanner is used again
	return &kept
}

// peek returns the byte at i, 0 at the end; 0 begins no JSON value, so callers need not tell the two.
func (s *scanner) peek(i int) byte {
	if uint(i) < uint(len(s.p)) {
		return s.p[i]
	}
	return 0
}

// space returns the offset of the first byte from i on that is no white space.
func (s *scanner) space(i int) int {
	for p := s.p; uint(i) < uint(len(p)) && p[i] <= ' '; i++ {
		if c := p[i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			break
		}
	}
	return i
}

// unexpected fails at i, where want should stand.
func (s *scanner) unexpected(i int, want string) int {
	if i >= len(s.p) {
		return s.fail(ingest.ReasonSyntax, len(s.p), "ends where "+want+" was expected")
	}
	return s.fail(ingest.ReasonSyntax, i, fmt.Sprintf("found %q, expected %s", s.p[i], want))
}

// colon steps over the colon after a member's name, to the value.
func (s *scanner) colon(i int) int {
	if s.peek(i) != ':' {
		if i = s.space(i); s.peek(i) != ':' {
			return s.unexpected(i, "a colon")
		}
	}
	return s.space(i + 1)
}

// next steps over the comma after a member or element, to the next; end is the closing bracket. After
// the last it returns the offset behind the bracket and more = false.
func (s *scanner) next(i int, end byte) (at int, more bool) {
	i = s.space(i)
	switch s.peek(i) {
	case ',':
		return s.space(i + 1), true
	case end:
		return i + 1, false
	}
	return s.unexpected(i, "a comma or "+string(rune(end))), false
}

// skip walks the value at i, which lies depth objects and arrays deep, and checks it strictly.
func (s *scanner) skip(i, depth int) int {
	switch c := s.peek(i); c {
	case '"':
		_, i = s.text(i)
		return i
	case '{':
		return s.skipObject(i, depth+1)
	case '[':
		return s.skipArray(i, depth+1)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	default:
		_, i = s.numeral(i)
		return i
	}
}

func (s *scanner) skipObject(i, depth int) int {
	if depth > ingest.MaxDepth {
		return s.tooDeep(i)
	}
	members := s.open()
	i = s.space(i + 1)
	if s.peek(i) == '}' {
		return i + 1
	}
	for more := true; more; {
		at := i
		var name []byte
		if name, i = s.name(i); i < 0 {
			return -1
		}
		if !s.isNew(&members, name) {
			return s.duplicate(at, name)
		}
		if i = s.skip(i, depth); i < 0 {
			return -1
		}
		if i, more = s.next(i, '}'); i < 0 {
			return -1
		}
	}
	s.close(members)
	return i
}

func (s *scanner) skipArray(i, depth int) int {
	if depth > ingest.MaxDepth {
		return s.tooDeep(i)
	}
	i = s.space(i + 1)
	if s.peek(i) == ']' {
		return i + 1
	}
	for more := true; more; {
		if i = s.skip(i, depth); i < 0 {
			return -1
		}
		if i, more = s.next(i, ']'); i < 0 {
			return -1
		}
	}
	return i
}

func (s *scanner) tooDeep(i int) int {
	return s.fail(ingest.ReasonDepth, i, fmt.Sprintf("nested deeper than %d", ingest.MaxDepth))
}

func (s *scanner) literal(i int, word string) int {
	if len(s.p)-i >= len(word) && string(s.p[i:i+len(word)]) == word {
		return i + len(word)
	}
	return s.unexpected(i, word)
}

// name reads a member's name and steps over the colon, to the value.
func (s *scanner) name(i int) ([]byte, int) {
	if s.peek(i) != '"' {
		return nil, s.unexpected(i, "a member's name")
	}
	name, i := s.text(i)
	if i < 0 {
		return nil, -1
	}
	return name, s.colon(i)
}

// end reports whether nothing but white space follows.
func (s *scanner) end(i int) bool {
	if i = s.space(i); i < len(s.p) {
		s.fail(ingest.ReasonSyntax, i, "more after the end of the value")
		return false
	}
	return true
}
