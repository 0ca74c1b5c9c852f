package ingest

import (
	"time"
	_ "time/tzdata" // zones are the same on every machine (E10)

	"github.com/milepost-io/milepost/ingest/civil"
)

// The first and last millisecond a time may name: the years 0 to 9999 of RFC 3339.
const (
	minTime = -62_167_219_200_000
	maxTime = 253_402_300_799_999
)

// ValidTime reports whether Unix milliseconds lie in the years 0 to 9999.
func ValidTime(ms int64) bool { return ms >= minTime && ms <= maxTime }

// ParseTime reads RFC 3339 with any offset and any number of fraction digits, in Unix milliseconds;
// what lies below a millisecond is cut off. Upper and lower case T and Z are taken, and the 60th second
// where a leap second may stand (it counts as the second after).
func ParseTime(b []byte) (ms int64, ok bool) {
	// 2006-01-02T15:04:05 are 19 bytes, the zone at least one more.
	if len(b) < 20 || b[4] != '-' || b[7] != '-' || b[10]|0x20 != 't' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	century, year, month, day := twoDigits(b, 0), twoDigits(b, 2), twoDigits(b, 5), twoDigits(b, 8)
	hour, minute, second := twoDigits(b, 11), twoDigits(b, 14), twoDigits(b, 17)
	if century|year|month|day|hour|minute|second < 0 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	year += 100 * century
	if day < 1 || day > civil.DaysIn(year, month) {
		return 0, false
	}
	fraction, at, ok := parseFraction(b, 19)
	if !ok {
		return 0, false
	}
	offset, ok := parseOffset(b[at:])
	if !ok {
		return 0, false
	}
	minutes := (civil.Days(year, month, day)*24+hour)*60 + minute - offset
	if second == 60 && minutes%1440 != 1439 && minutes%1440 != -1 {
		return 0, false
	}
	ms = int64(minutes*60+second)*1000 + int64(fraction)
	return ms, ValidTime(ms)
}

// ParseDate reads a calendar date yyyy-mm-dd as the Unix milliseconds of its start in UTC.
func ParseDate(b []byte) (ms int64, ok bool) {
	if len(b) != 10 || b[4] != '-' || b[7] != '-' {
		return 0, false
	}
	century, year, month, day := twoDigits(b, 0), twoDigits(b, 2), twoDigits(b, 5), twoDigits(b, 8)
	if century|year|month|day < 0 || month < 1 || month > 12 {
		return 0, false
	}
	year += 100 * century
	if day < 1 || day > civil.DaysIn(year, month) {
		return 0, false
	}
	return int64(civil.Days(year, month, day)) * 86_400_000, true
}

// KnownZone reports whether name is a zone of the IANA database (S8). The empty name and Local, which
// the standard library knows too, are none.
func KnownZone(name string) bool {
	if name == "" || name == "Local" {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

// parseFraction reads an optional fraction of a second at b[at:] in whole milliseconds and returns where
// it ends.
func parseFraction(b []byte, at int) (ms, end int, ok bool) {
	if b[at] != '.' {
		return 0, at, true
	}
	scale := 100
	for end = at + 1; end < len(b) && isDigit(b[end]); end++ {
		ms += scale * int(b[end]-'0')
		scale /= 10
	}
	return ms, end, end > at+1
}

// parseOffset reads a zone, Z or ±hh:mm, in minutes east of UTC.
func parseOffset(b []byte) (minutes int, ok bool) {
	if len(b) == 1 && b[0]|0x20 == 'z' {
		return 0, true
	}
	if len(b) != 6 || b[3] != ':' || (b[0] != '+' && b[0] != '-') {
		return 0, false
	}
	hour, minute := twoDigits(b, 1), twoDigits(b, 4)
	if hour|minute < 0 || hour > 23 || minute > 59 {
		return 0, false
	}
	minutes = hour*60 + minute
	if b[0] == '-' {
		minutes = -minutes
	}
	return minutes, true
}

// twoDigits reads b[at:at+2] as a number, negative when it is none.
func twoDigits(b []byte, at int) int {
	if !isDigit(b[at]) || !isDigit(b[at+1]) {
		return -1
	}
	return int(b[at]-'0')*10 + int(b[at+1]-'0')
}

func isDigit(c byte) bool { return c-'0' <= 9 }
