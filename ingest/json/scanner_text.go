package json

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/milepost-io/milepost/ingest"
)

// text reads the string whose opening quote is at i. Without escapes the result is a part of the
// payload, otherwise of s.unescaped; either way it is valid UTF-8.
func (s *scanner) text(i int) ([]byte, int) {
	p := s.p
	start := i + 1
	at := start
	for ; at+8 <= len(p); at += 8 {
		if m := special(binary.LittleEndian.Uint64(p[at:])); m != 0 {
			at += bits.TrailingZeros64(m) / 8
			if p[at] == '"' {
				return p[start:at], at + 1
			}
			break
		}
	}
	return s.slowText(start, at)
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// special marks the high bit of bytes of w that end or complicate a string: quote, backslash, control
// characters, and everything beyond ASCII. Only the lowest mark is exact, for subtraction borrows upward.
func special(w uint64) uint64 {
	quote, backslash := w^('"'*eachByte), w^('\\'*eachByte)
	return (w | (quote-eachByte)&^quote | (backslash-eachByte)&^backslash | (w-' '*eachByte)&^w) & highBits
}

// slowText goes on at i with the string that began at start.
func (s *scanner) slowText(start, i int) ([]byte, int) {
	p := s.p
	from, copied := len(s.unescaped), start
	for i < len(p) {
		switch c := p[i]; {
		case c == '"':
			if copied == start {
				return p[start:i], i + 1
			}
			s.unescaped = append(s.unescaped, p[copied:i]...)
			return s.unescaped[from:len(s.unescaped):len(s.unescaped)], i + 1
		case c == '\\':
			r, after := s.escape(i)
			if after < 0 {
				return nil, -1
			}
			s.unescaped = append(s.unescaped, p[copied:i]...)
			s.unescaped = utf8.AppendRune(s.unescaped, r)
			i, copied = after, after
		case c < ' ':
			return nil, s.fail(ingest.ReasonSyntax, i, "control character in a string")
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(p[i:])
			if r == utf8.RuneError && n == 1 {
				return nil, s.fail(ingest.ReasonUTF8, i, "no UTF-8")
			}
			i += n
		}
	}
	return nil, s.fail(ingest.ReasonSyntax, len(p), "ends inside a string")
}

// escape reads the escape whose backslash is at i.
func (s *scanner) escape(i int) (rune, int) {
	switch c := s.peek(i + 1); c {
	case '"', '\\', '/':
		return rune(c), i + 2
	case 'b':
		return '\b', i + 2
	case 'f':
		return '\f', i + 2
	case 'n':
		return '\n', i + 2
	case 'r':
		return '\r', i + 2
	case 't':
		return '\t', i + 2
	case 'u':
		return s.unicodeEscape(i)
	}
	if i+1 >= len(s.p) {
		return 0, s.fail(ingest.ReasonSyntax, len(s.p), "ends inside a string")
	}
	return 0, s.fail(ingest.ReasonSyntax, i, "unknown escape in a string")
}

// unicodeEscape reads \uXXXX, two of them for a character beyond the basic plane.
func (s *scanner) unicodeEscape(i int) (rune, int) {
	r := s.hex4(i + 2)
	if r < 0 {
		return 0, s.fail(ingest.ReasonSyntax, i, "\\u without four hex digits")
	}
	if !utf16.IsSurrogate(r) {
		return r, i + 6
	}
	if s.peek(i+6) == '\\' && s.peek(i+7) == 'u' {
		if pair := utf16.DecodeRune(r, s.hex4(i+8)); pair != utf8.RuneError {
			return pair, i + 12
		}
	}
	return 0, s.fail(ingest.ReasonUTF8, i, "lone surrogate")
}

// hex4 reads four hex digits at i, -1 when there are none.
func (s *scanner) hex4(i int) rune {
	if i+4 > len(s.p) {
		return -1
	}
	var r rune
	for _, c := range s.p[i : i+4] {
		switch {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}
