package state

import (
	"bytes"
	"encoding/json"
)

// DeadLetter is the value of a RowDead row of a quarantined input: what came, from where, and what was
// wrong with it.
type DeadLetter struct {
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
	// At is where in the payload, in bytes; -1 when that says nothing.
	At int `json:"at"`
	// Input is "event", "notice", "result", "timer", "activation" or "control".
	Input string `json:"input"`
	Key   string `json:"key"`
	Sub   string `json:"sub,omitempty"`
	// Time is the arrival, the sender's clock or the due time; Unix ms.
	Time     int64  `json:"time"`
	Source   string `json:"source,omitempty"`
	Topic    string `json:"topic,omitempty"`
	Codec    string `json:"codec,omitempty"`
	Types    uint32 `json:"types,omitempty"`
	Oversize bool   `json:"oversize,omitempty"`
	Payload  []byte `json:"payload,omitempty"`
}

// Encode returns the row value.
func (l *DeadLetter) Encode() []byte {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // a struct of strings and numbers always encodes
	}
	return b
}

// DecodeDeadLetter reads a row value that Encode made.
func DecodeDeadLetter(b []byte) (DeadLetter, error) {
	var l DeadLetter
	err := json.Unmarshal(b, &l)
	return l, err
}

// Names reports whether the dead letter is about an id or holds bytes that name it.
func (l *DeadLetter) Names(id string) bool {
	b := []byte(id)
	return l.Key == id || l.Sub == id || Names([]byte(l.Source), b) || Names([]byte(l.Topic), b) || Names([]byte(l.Detail), b) || Names(l.Payload, b)
}

// Names reports whether text holds an id with nothing around it that could belong to a longer one.
func Names(text, id []byte) bool {
	for from := 0; len(id) > 0; {
		i := bytes.Index(text[from:], id)
		if i < 0 {
			return false
		}
		at, end := from+i, from+i+len(id)
		if (at == 0 || !idByte(text[at-1])) && (end == len(text) || !idByte(text[end])) {
			return true
		}
		from = at + 1
	}
	return false
}

func idByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == ':' || c == '-'
}
