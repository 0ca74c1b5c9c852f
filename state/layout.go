package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The keys of a shard's store. A part in <> that another part follows is escaped so that byte order is
// the order of the parts: 0x00 becomes 0x00 0xff, and 0x00 0x01 ends the part.
//
//	s/ <key> sub              document: format (1) | armed timer, Unix ms (8, big-endian) | bytes
//	t/ due (8, big-endian, sign flipped) <key> sub        timer, no value
//	o/ h/ d/ v/ row key       rows of a Space, as the step wrote them
//	i/ offset (8, big-endian)  origin of a request (S5), see originRow
//	y/ day (8, big-endian)    first record of a day, see dayRow
//	p/                        position (JSON): everything a Machine remembers besides documents
//	m/format                  format of the store (4, big-endian)
//	m/generation              how often the store was opened to be run (8, big-endian)
//	m/control                 payload of the control record in force
//	m/purged                  nothing: written so that the manifest is begun anew (Purge)
//
// A row key made by AddRow is: prefix | log offset (8, big-endian) | number within the record (4, big-endian).
const (
	docSpace   = 's'
	timerSpace = 't'

	// storeFormat is the format written; storeFormat-1 is read too.
	storeFormat = 1
	docFormat   = 1
	docHeader   = 9
)

var (
	errShortKey = errors.New("key ends within a part")
	errBadDoc   = errors.New("not a document")
)

func positionKey() []byte   { return []byte("p/") }
func formatKey() []byte     { return []byte("m/format") }
func generationKey() []byte { return []byte("m/generation") }
func controlKey() []byte    { return []byte("m/control") }
func purgedKey() []byte     { return []byte("m/purged") }

func appendPart(b, part []byte) []byte {
	for {
		i := bytes.IndexByte(part, 0)
		if i < 0 {
			b = append(b, part...)
			return append(b, 0, 1)
		}
		b = append(b, part[:i]...)
		b = append(b, 0, 0xff)
		part = part[i+1:]
	}
}

// cutPart returns the unescaped first part of b, appended to dst, and what follows it.
func cutPart(dst, b []byte) (part, rest []byte, err error) {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 == len(b) {
			return nil, nil, errShortKey
		}
		dst = append(dst, b[:i]...)
		if b[i+1] == 1 {
			return dst, b[i+2:], nil
		}
		dst = append(dst, 0)
		b = b[i+2:]
	}
}

func appendDocKey(b, key, sub []byte) []byte {
	return append(appendPart(append(b, docSpace, '/'), key), sub...)
}

// cutDocKey is the inverse of appendDocKey.
func cutDocKey(b []byte) (key, sub []byte, err error) {
	if len(b) < 2 {
		return nil, nil, errShortKey
	}
	return cutPart(nil, b[2:])
}

// afterKey is the lower bound of all documents of greater keys.
func afterKey(b, key []byte) []byte {
	b = appendPart(append(b, docSpace, '/'), key)
	b[len(b)-1] = 2
	return b
}

func appendTimerKey(b []byte, due int64, key, sub []byte) []byte {
	b = append(b, timerSpace, '/')
	b = binary.BigEndian.AppendUint64(b, uint64(due)^1<<63)
	return append(appendPart(b, key), sub...)
}

func timerBound(due int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{timerSpace, '/'}, uint64(due)^1<<63)
}

func cutTimerKey(b []byte) (due int64, key, sub []byte, err error) {
	if len(b) < 10 {
		return 0, nil, nil, errShortKey
	}
	due = int64(binary.BigEndian.Uint64(b[2:]) ^ 1<<63)
	key, sub, err = cutPart(nil, b[10:])
	return due, key, sub, err
}

func appendRowKey(b []byte, space Space, key string) []byte {
	return append(append(b, byte(space), '/'), key...)
}

// spaceEnd is the end of the keys that start with the byte given.
func spaceEnd(space byte) []byte { return []byte{space, '/' + 1} }

// prefixEnd is the smallest key above all that start with p; nil when there is none.
func prefixEnd(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			end := bytes.Clone(p[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}

func appendDocValue(b []byte, armed int64, body []byte) []byte {
	b = append(b, docFormat)
	b = binary.BigEndian.AppendUint64(b, uint64(armed))
	return append(b, body...)
}

func cutDocValue(v []byte) (armed int64, body []byte, err error) {
	if len(v) < docHeader || v[0] != docFormat {
		return 0, nil, fmt.Errorf("%w: %d bytes, format %x, expected format %d", errBadDoc, len(v), v[:min(1, len(v))], docFormat)
	}
	return int64(binary.BigEndian.Uint64(v[1:])), v[docHeader:], nil
}
