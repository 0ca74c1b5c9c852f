package ingest

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"2026-03-01T08:15:30.250Z", "2026-03-01T08:15:30.25Z"},
		{"2026-03-01T08:15:30Z", "2026-03-01T08:15:30Z"},
		{"2026-03-01t08:15:30z", "2026-03-01T08:15:30Z"},
		{"2026-03-01T08:15:30.123456789+08:00", "2026-03-01T00:15:30.123Z"},
		{"2026-03-01T08:15:30.999999999999999Z", "2026-03-01T08:15:30.999Z"},
		{"2026-03-01T00:00:00+23:59", "2026-02-28T00:01:00Z"},
		{"2026-03-01T00:00:00-00:00", "2026-03-01T00:00:00Z"},
		{"2024-02-29T12:00:00-11:30", "2024-02-29T23:30:00Z"},
		{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"},
		{"2099-12-31T23:59:59Z", "2099-12-31T23:59:59Z"},
		{"0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
		{"2017-01-01T07:59:60+08:00", "2017-01-01T00:00:00Z"},
	} {
		want, err := time.Parse(time.RFC3339Nano, c.want)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := ParseTime([]byte(c.text)); !ok || got != want.UnixMilli() {
			t.Errorf("ParseTime(%s) = %d, %v, want %d", c.text, got, ok, want.UnixMilli())
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	for _, text := range []string{
		"", "now", "2026-03-01", "2026-03-01T08:15:30", "2026-03-01 08:15:30Z", "2026-03-01T08:15Z",
		"2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-04-31T00:00:00Z", "2100-02-29T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T00:60:00Z",
		"2026-03-01T00:00:61Z", "2026-03-01T12:00:60Z", "2026-03-01T00:00:00.Z", "2026-03-01T00:00:00,5Z",
		"2026-03-01T00:00:00+24:00", "2026-03-01T00:00:00+08:60", "2026-03-01T00:00:00+0800",
		"2026-03-01T00:00:00+08", "2026-03-01T00:00:00ZZ", "2026-03-01T00:00:00 Z", "+026-03-01T00:00:00Z",
		"26-03-01T00:00:00Z", "2026-3-1T00:00:00.000Z", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
	} {
		if got, ok := ParseTime([]byte(text)); ok {
			t.Errorf("ParseTime(%q) = %d", text, got)
		}
	}
}

// Every day of the years 0 to 9999 is where the standard library has it.
func TestParseDateAgreesWithCalendar(t *testing.T) {
	for d := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 10_000; d = d.AddDate(0, 0, 17) {
		text := d.Format("2006-01-02")
		if got, ok := ParseDate([]byte(text)); !ok || got != d.UnixMilli() {
			t.Fatalf("ParseDate(%s) = %d, %v, want %d", text, got, ok, d.UnixMilli())
		}
	}
	for _, text := range []string{"2026-02-30", "2026-1-1", "2026-01-011", "2026/01/01", "", "2026-00-10"} {
		if _, ok := ParseDate([]byte(text)); ok {
			t.Errorf("ParseDate(%q) was taken", text)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2026-03-01T08:15:30.250Z")
	f.Add("2024-02-29T23:59:59.9999+13:45")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := ParseTime([]byte(text))
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || !ok {
			return // each has forms of its own: lower case and leap seconds here, commas there
		}
		if got != want.UnixMilli() {
			t.Errorf("ParseTime(%q) = %d, want %d", text, got, want.UnixMilli())
		}
	})
}

// S8: an unknown zone is told from a known one.
func TestS8KnownZone(t *testing.T) {
	for name, want := range map[string]bool{
		"Asia/Shanghai": true, "Europe/Zurich": true, "UTC": true,
		"": false, "Local": false, "Mars/Olympus": false, "../etc/passwd": false, "+08:00": false,
	} {
		if KnownZone(name) != want {
			t.Errorf("KnownZone(%q) = %v", name, !want)
		}
	}
}
