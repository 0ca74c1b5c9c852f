package rules

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
)

// Ids are pure functions of logged facts (E6): 120 bits of SHA-256 over length-prefixed fields, as 24
// lower-case letters and digits behind a prefix that says what is named.
const (
	prefixAlert    = "a_" // an episode of a rule, or an item's interval (S17, S37)
	prefixEvent    = "e_" // one transition of an alert, or an odometer decision
	prefixReminder = "r_" // one transition of a reminder
	prefixLead     = "l_" // a lead
)

// idBuilder collects the fields an id is made of.
type idBuilder struct{ buf []byte }

// newID starts an id of a kind: two kinds never share an id, whatever their fields.
func newID(kind string) *idBuilder { return (&idBuilder{}).text(kind) }

func (b *idBuilder) text(s string) *idBuilder {
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(s)))
	b.buf = append(b.buf, s...)
	return b
}

func (b *idBuilder) bytes(s []byte) *idBuilder {
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(s)))
	b.buf = append(b.buf, s...)
	return b
}

func (b *idBuilder) int(v int64) *idBuilder {
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(v))
	return b
}

// id closes the builder.
func (b *idBuilder) id(prefix string) string {
	sum := sha256.Sum256(b.buf)
	// Base32 in lower case is safe in URLs, file names and when read aloud; 15 bytes need no padding.
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:15]))
}

// hash64 names a rule, item or plan inside a document: 64 bits of SHA-256, never 0. The loader refuses a
// folder in which two ids meet.
func hash64(kind, s string) uint64 {
	sum := sha256.Sum256(newID(kind).text(s).buf)
	return binary.LittleEndian.Uint64(sum[:8]) | 1
}

// identity is the vehicle as ids name it: one that has come back after its erasure is another one, so that
// nothing of its new life bears an id of the old one, which receivers may remember (S47).
func (s *Step) identity() []byte {
	if s.v.Life == 0 {
		return s.in.vin
	}
	return binary.LittleEndian.AppendUint32(append(append(make([]byte, 0, len(s.in.vin)+5), s.in.vin...), 0), s.v.Life)
}

// alertID names the episode (vehicle, rule, t0) (S17).
func alertID(vin []byte, rule string, t0 int64) string {
	return newID("alert").bytes(vin).text(rule).int(t0).id(prefixAlert)
}

// transitionID names one transition of an alert.
func transitionID(vin []byte, rule string, t0 int64, transition string) string {
	return newID("transition").bytes(vin).text(rule).int(t0).text(transition).id(prefixEvent)
}

// leadID names the n-th lead of a vehicle.
func leadID(vin []byte, n uint32) string {
	return newID("lead").bytes(vin).int(int64(n)).id(prefixLead)
}

// leadEventID names the n-th event of a lead.
func leadEventID(vin []byte, lead uint32, n uint32) string {
	return newID("lead event").bytes(vin).int(int64(lead)).int(int64(n)).id(prefixEvent)
}
