package json

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// BlankMembers overwrites members of the object that is payload's member `in` with spaces, one of the commas
// around each too, and reports whether there were any: the payload stays JSON of the same length that says
// nothing of them. Of a payload that is not JSON nothing is changed.
func BlankMembers(payload []byte, in string, chosen func(name string) bool) bool {
	d := jsontext.NewDecoder(bytes.NewReader(payload))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return false
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return false
		}
		if name.String() == in && d.PeekKind() == '{' {
			return blankIn(d, payload, chosen)
		}
		if d.SkipValue() != nil {
			return false
		}
	}
	return false
}

// blankIn is BlankMembers at the object that the decoder is about to read.
func blankIn(d *jsontext.Decoder, payload []byte, chosen func(name string) bool) bool {
	type span struct{ from, to int64 } // from the end of the member before
	var gone []span
	if _, err := d.ReadToken(); err != nil {
		return false
	}
	comma, kept := int64(-1), false // the comma before the first member that stays, where one goes before it
	for d.PeekKind() == '"' {
		from := d.InputOffset()
		name, err := d.ReadToken()
		if err != nil {
			return false
		}
		text := name.String()
		at := d.InputOffset()
		if d.SkipValue() != nil {
			return false
		}
		switch {
		case chosen(text):
			gone = append(gone, span{from, d.InputOffset()})
		case !kept:
			kept = true
			if i := bytes.IndexByte(payload[from:at], ','); i >= 0 && i < bytes.IndexByte(payload[from:at], '"') {
				comma = from + int64(i)
			}
		}
	}
	if len(gone) == 0 || d.PeekKind() != '}' {
		return false
	}
	if comma >= 0 && gone[0].from < comma {
		gone = append(gone, span{comma, comma + 1})
	}
	for _, s := range gone {
		for i := s.from; i < s.to; i++ {
			payload[i] = ' '
		}
	}
	return true
}
