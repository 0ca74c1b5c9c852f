package cond

import "bytes"

// MaxCode is the longest name a set may hold, in bytes.
const MaxCode = 255

// Codes is a set of names (fault codes, alarms) as it stands in a document: each name one length byte and
// its bytes, in any order. Empty means a set that is known to be empty.
type Codes []byte

// AppendCode appends a name; it reports false, and appends nothing, when the name is empty or longer
// than MaxCode.
func AppendCode[S ~string | ~[]byte](c Codes, name S) (Codes, bool) {
	if len(name) == 0 || len(name) > MaxCode {
		return c, false
	}
	c = append(c, byte(len(name)))
	return append(c, name...), true
}

// Next cuts the first name off the set; ok is false at its end.
func (c Codes) Next() (name []byte, rest Codes, ok bool) {
	if len(c) == 0 || int(c[0]) >= len(c) {
		return nil, nil, false
	}
	n := 1 + int(c[0])
	return c[1:n], c[n:], true
}

// Has reports whether the set holds name.
func (c Codes) Has(name []byte) bool {
	for code, rest, ok := c.Next(); ok; code, rest, ok = rest.Next() {
		if bytes.Equal(code, name) {
			return true
		}
	}
	return false
}
