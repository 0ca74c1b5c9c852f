package json

import (
	"bytes"
	"fmt"
	"iter"
	"maps"

	"github.com/milepost-io/milepost/ingest"
)

// members remembers the names of one object's members while it is walked, so that none stands twice.
// The first fewNames are compared one by one; an object with more pays for a map.
type members struct {
	base int // of this object's names in scanner.names
	many map[string]struct{}
}

const fewNames = 64

func (s *scanner) open() members { return members{base: len(s.names)} }

// close forgets the names of an object that has been walked.
func (s *scanner) close(m members) { s.names = s.names[:m.base] }

// isNew adds name to m and reports whether it was not there.
func (s *scanner) isNew(m *members, name []byte) bool {
	if m.many != nil {
		if _, seen := m.many[string(name)]; seen {
			return false
		}
		m.many[string(name)] = struct{}{}
		return true
	}
	own := s.names[m.base:]
	for _, n := range own {
		if bytes.Equal(n, name) {
			return false
		}
	}
	s.names = append(s.names, name)
	if len(own)+1 == fewNames {
		m.many = make(map[string]struct{}, 2*fewNames)
		for _, n := range s.names[m.base:] {
			m.many[string(n)] = struct{}{}
		}
	}
	return true
}

// count is how many names m has.
func (s *scanner) count(m members) int { return max(len(m.many), len(s.names)-m.base) }

// each yields the names of m, in no order.
func (s *scanner) each(m members) iter.Seq[string] {
	return func(yield func(string) bool) {
		if m.many != nil {
			maps.Keys(m.many)(yield)
			return
		}
		for _, n := range s.names[m.base:] {
			if !yield(string(n)) {
				return
			}
		}
	}
}

// duplicate fails at a name that stands twice.
func (s *scanner) duplicate(at int, name []byte) int {
	return s.fail(ingest.ReasonDuplicateKey, at, fmt.Sprintf("member %q stands twice", clip(name)))
}

// clip shortens what a message quotes from a payload.
func clip(b []byte) []byte {
	if len(b) > 64 {
		return b[:64]
	}
	return b
}
