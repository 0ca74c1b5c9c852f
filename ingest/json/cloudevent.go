package json

import (
	"fmt"

	"github.com/milepost-io/milepost/ingest"
)

// Unwrap returns the data of a CloudEvent in structured mode: an object with `specversion` and `data`.
// A payload that is no such object is returned as it is, and so is one that is not JSON: Decode says
// why. A CloudEvent without JSON data, or of a version that is not 1.x, is an *ingest.Error.
func Unwrap(payload []byte) ([]byte, error) {
	s := scanner{p: payload}
	version, data, ok := s.envelope()
	if !ok {
		return payload, nil
	}
	if len(version) < 2 || version[0] != '1' || version[1] != '.' {
		return nil, &ingest.Error{Reason: ingest.ReasonValue, Field: "specversion", Offset: -1,
			Detail: fmt.Sprintf("found %q, expected 1.0", clip(version))}
	}
	if data == nil {
		return nil, &ingest.Error{Reason: ingest.ReasonValue, Field: "data", Offset: -1,
			Detail: "missing, expected an event as JSON (data_base64 is not taken)"}
	}
	return data, nil
}

// envelope finds the text of `specversion` and the bytes of `data`; ok is false when the payload has no
// textual specversion or is not JSON.
func (s *scanner) envelope() (version, data []byte, ok bool) {
	i := s.space(0)
	if s.peek(i) != '{' {
		return nil, nil, false
	}
	if i = s.space(i + 1); s.peek(i) == '}' {
		return nil, nil, false
	}
	for more := true; more; {
		var name []byte
		if name, i = s.name(i); i < 0 {
			return nil, nil, false
		}
		from := i
		switch {
		case string(name) == "specversion" && s.peek(i) == '"':
			version, i = s.text(i)
			ok = true
		case string(name) == "data":
			i = s.skip(i, 1)
			data = s.p[from:max(from, i)]
		default:
			i = s.skip(i, 1)
		}
		if i < 0 {
			return nil, nil, false
		}
		if i, more = s.next(i, '}'); i < 0 {
			return nil, nil, false
		}
	}
	return version, data, ok
}
