package ingest

import "bytes"

// UnreadableCodec marks a record that stands for bytes from which a source could not take any message, such
// as a batch whose checksum is wrong: it is quarantined with reason ReasonUnreadable.
const UnreadableCodec = "unreadable"

// Unreadable is the payload of such a record: what is wrong, for people, in one line, then the first
// OversizeKeep of the bytes.
func Unreadable(detail string, raw []byte) []byte {
	out := append([]byte(detail), '\n')
	return append(out, raw[:min(len(raw), OversizeKeep)]...)
}

// UnreadableDetail is the line that Unreadable put first.
func UnreadableDetail(payload []byte) string {
	line, _, _ := bytes.Cut(payload, []byte{'\n'})
	return string(line)
}
