package json

import (
	"bytes"
	"fmt"

	"github.com/milepost-io/milepost/ingest"
)

// Entry is one event of a batch, as far as routing needs it.
type Entry struct {
	// Payload is the entry's own bytes, a part of what was split, without white space around it.
	Payload []byte
	// Type is ingest.Unknown when the entry names none that is known.
	Type ingest.Type
	// Key is the vehicle or party id, valid until yield returns; nil when the entry names none or a
	// malformed one.
	Key   []byte
	Party bool
}

// IsBatch reports whether the payload is an array, which Split takes apart, rather than one event.
func IsBatch(payload []byte) bool {
	s := scanner{p: payload}
	return s.peek(s.space(0)) == '['
}

// Split calls yield for each entry of a payload that is one event or an array of events, in order.
//
// What it guarantees: yield is called only when the whole payload splits, so an *ingest.Error means that
// no entry was yielded and the payload is to be quarantined as one record. It splits when it is not
// empty, strings end, brackets pair and are nested at most ingest.MaxDepth within an entry, entries are
// parted by single commas, and nothing follows. The entries' payloads are the very bytes between those
// commas. An entry itself may still be malformed or no event: that is for Decode to say when the record
// is applied, and costs its neighbours nothing. Type and Key of such an entry are what could be read of
// it. An error of yield ends the split and is returned as it is. An entry may be larger than
// ingest.MaxPayload; the source then hands it over in its ingest.Oversize form.
func Split(payload []byte, yield func(Entry) error) error {
	var r HeadReader
	if !IsBatch(payload) {
		return r.splitOne(payload, yield)
	}
	s := scanner{p: payload}
	if s.entries(nil) < 0 {
		return s.verdict()
	}
	var err error
	s.entries(func(from, to int) bool {
		err = yield(r.entry(payload[from:to]))
		return err == nil
	})
	return err
}

func (r *HeadReader) splitOne(payload []byte, yield func(Entry) error) error {
	trimmed := bytes.Trim(payload, " \t\r\n")
	if len(trimmed) == 0 {
		return &ingest.Error{Reason: ingest.ReasonEmpty, Detail: "no content"}
	}
	return yield(r.entry(trimmed))
}

// SplitLines is Split for NDJSON: each line is an entry, blank lines are left out. It fails only when
// nothing is left, for a line ends whatever it holds.
func SplitLines(payload []byte, yield func(Entry) error) error {
	var r HeadReader
	some := false
	for line := range bytes.Lines(payload) {
		line = bytes.Trim(line, " \t\r\n")
		if len(line) == 0 {
			continue
		}
		some = true
		if err := yield(r.entry(line)); err != nil {
			return err
		}
	}
	if !some {
		return &ingest.Error{Reason: ingest.ReasonEmpty, Detail: "no lines"}
	}
	return nil
}

// entry reads the routing of an entry; that it may be malformed is no matter here.
func (r *HeadReader) entry(p []byte) Entry {
	h, _ := r.Read(p)
	return Entry{Payload: p, Type: h.Type, Key: h.Key, Party: h.Party}
}

// entries walks an array and calls found with the bounds of each entry until it returns false; nil only
// checks. It returns -1 when the array does not split.
func (s *scanner) entries(found func(from, to int) bool) int {
	i := s.space(s.space(0) + 1)
	if s.peek(i) == ']' {
		return s.fail(ingest.ReasonEmpty, i, "an array without entries")
	}
	for more := true; more; {
		from := i
		to := s.entryEnd(i)
		if to < 0 {
			return -1
		}
		if found != nil && !found(from, to) {
			return to
		}
		if i, more = s.next(to, ']'); i < 0 {
			return -1
		}
	}
	if !s.end(i) {
		return -1
	}
	return i
}

// entryEnd returns where the entry at i ends: before a comma or bracket outside strings and brackets.
func (s *scanner) entryEnd(i int) int {
	var closing [ingest.MaxDepth]byte
	depth, start, end := 0, i, i // end is behind the last byte that is no white space
	for i < len(s.p) {
		c := s.p[i]
		switch c {
		case '"':
			if i = s.quoted(i); i < 0 {
				return -1
			}
			end = i
			continue
		case '{', '[':
			if depth == len(closing) {
				return s.tooDeep(i)
			}
			closing[depth] = c + 2 // in ASCII, of both kinds
			depth++
		case '}', ']':
			if depth == 0 {
				return s.entryAt(start, i, end)
			}
			if depth--; closing[depth] != c {
				return s.fail(ingest.ReasonSyntax, i, fmt.Sprintf("found %q, expected %q", c, closing[depth]))
			}
		case ',':
			if depth == 0 {
				return s.entryAt(start, i, end)
			}
		}
		i++
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			end = i
		}
	}
	return s.fail(ingest.ReasonSyntax, len(s.p), "ends inside an array")
}

// entryAt returns the end of an entry, which must not be empty.
func (s *scanner) entryAt(start, i, end int) int {
	if end == start {
		return s.unexpected(i, "an event")
	}
	return end
}

// quoted steps over the string at i without looking at what it holds.
func (s *scanner) quoted(i int) int {
	for i++; i < len(s.p); i++ {
		switch s.p[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return s.fail(ingest.ReasonSyntax, len(s.p), "ends inside a string")
}
