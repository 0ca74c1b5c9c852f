package json

import (
	"strconv"

	"github.com/milepost-io/milepost/ingest"
)

// pow10 are the powers of ten that a double holds exactly.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
	1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// numeral is a JSON number taken apart: ± digits × 10^exponent, as far as 64 bits hold the digits.
type numeral struct {
	digits   uint64
	exponent int
	negative bool
	// exact says that digits and exponent are the number itself.
	exact bool
}

// maxDigits is how many significant digits fit a numeral.
const maxDigits = 18

// numeral walks the number at i by JSON's grammar: no leading zeros, no plus, digits around the point.
func (s *scanner) numeral(i int) (numeral, int) {
	n := numeral{exact: true}
	start := i
	if s.peek(i) == '-' {
		n.negative = true
		i++
	}
	significant := 0
	switch c := s.peek(i); {
	case c == '0':
		if i++; isDigit(s.peek(i)) {
			return n, s.fail(ingest.ReasonSyntax, i-1, "number with a leading zero")
		}
	case isDigit(c):
		from := i
		i = s.digits(i, &n)
		significant = i - from
	default:
		if i == start {
			return n, s.unexpected(i, "a value")
		}
		return n, s.unexpected(i, "a digit")
	}
	if s.peek(i) == '.' {
		from := i + 1
		if !isDigit(s.peek(from)) {
			return n, s.unexpected(from, "a digit")
		}
		zeros := from
		for n.digits == 0 && s.peek(zeros) == '0' {
			zeros++
		}
		i = s.digits(zeros, &n)
		significant += i - zeros
		n.exponent = from - i
	}
	n.exact = significant <= maxDigits
	if c := s.peek(i); c|0x20 == 'e' {
		return s.exponent(n, i+1)
	}
	return n, i
}

// digits takes decimal digits from i on; beyond maxDigits their value is meaningless.
func (s *scanner) digits(i int, n *numeral) int {
	for p := s.p; uint(i) < uint(len(p)) && isDigit(p[i]); i++ {
		n.digits = n.digits*10 + uint64(p[i]-'0')
	}
	return i
}

// maxExponent keeps an exponent's value far from overflow; any beyond it is not exact anyway.
const maxExponent = 10_000

func (s *scanner) exponent(n numeral, i int) (numeral, int) {
	sign := 1
	switch s.peek(i) {
	case '-':
		sign = -1
		i++
	case '+':
		i++
	}
	if !isDigit(s.peek(i)) {
		return n, s.unexpected(i, "a digit")
	}
	e := 0
	for ; isDigit(s.peek(i)); i++ {
		e = min(e*10+int(s.peek(i)-'0'), maxExponent)
	}
	n.exponent += sign * e
	return n, i
}

// number reads the number at i as the nearest double; minus zero is zero. held is false when the number
// is beyond what a double holds.
func (s *scanner) number(i int) (v float64, held bool, end int) {
	n, end := s.numeral(i)
	if end < 0 {
		return 0, false, -1
	}
	// One operation on two exact doubles rounds once, to the nearest (Clinger).
	if n.exact && n.digits < 1<<53 && n.exponent >= -22 && n.exponent <= 22 {
		v := float64(n.digits)
		if n.exponent < 0 {
			v /= pow10[-n.exponent]
		} else {
			v *= pow10[n.exponent]
		}
		if n.negative && v != 0 {
			v = -v
		}
		return v, true, end
	}
	v, err := strconv.ParseFloat(string(s.p[i:end]), 64)
	return v + 0, err == nil, end // minus zero plus zero is zero
}

// integer reads the number at i as a whole number of at most 18 digits; ok is false when it is none.
// 1.0 and 1e3 are whole.
func (s *scanner) integer(i int) (v int64, ok bool, end int) {
	n, end := s.numeral(i)
	if end < 0 {
		return 0, false, -1
	}
	if !n.exact {
		return 0, false, end
	}
	for ; n.exponent < 0 && n.digits%10 == 0 && n.digits != 0; n.exponent++ {
		n.digits /= 10
	}
	for ; n.exponent > 0 && n.digits < 1e17; n.exponent-- {
		n.digits *= 10
		if n.digits == 0 {
			break
		}
	}
	if n.digits != 0 && n.exponent != 0 {
		return 0, false, end
	}
	v = int64(n.digits)
	if n.negative {
		v = -v
	}
	return v, true, end
}

func isDigit(c byte) bool { return c-'0' <= 9 }
