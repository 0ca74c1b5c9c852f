package plan

import (
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

// Zones with every kind of oddity: gaps and overlaps at various hours, half hours, at midnight, in the
// southern summer, a dropped day, none at all.
var zoneNames = []string{
	"Asia/Shanghai", "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "America/Havana",
	"Australia/Lord_Howe", "Africa/Casablanca", "Asia/Beirut", "Pacific/Apia", "America/St_Johns", "Asia/Kathmandu",
	"Atlantic/Azores", "UTC",
}

func zone(t rapid.TB, name string) Zone {
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return InZone(loc)
}

func instant(t *testing.T, s string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

func day(t rapid.TB, s string) Day {
	d, ok := ParseDay(s)
	if !ok {
		t.Fatalf("bad day %q", s)
	}
	return d
}

func TestStart(t *testing.T) {
	for _, tc := range []struct{ name, zone, day, clock, want string }{
		{"plain", "Asia/Shanghai", "2026-03-01", "09:00", "2026-03-01T09:00:00+08:00"},
		{"skipped: the end of the gap", "Europe/Berlin", "2026-03-29", "02:30", "2026-03-29T03:00:00+02:00"},
		{"skipped at its first minute", "Europe/Berlin", "2026-03-29", "02:00", "2026-03-29T03:00:00+02:00"},
		{"after the gap", "Europe/Berlin", "2026-03-29", "03:00", "2026-03-29T03:00:00+02:00"},
		{"twice: the first", "Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T02:30:00+02:00"},
		{"after the overlap", "Europe/Berlin", "2026-10-25", "03:00", "2026-10-25T03:00:00+01:00"},
		{"twice in New York", "America/New_York", "2026-11-01", "01:00", "2026-11-01T01:00:00-04:00"},
		{"half an hour skipped", "Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-04T02:30:00+11:00"},
		{"midnight skipped", "America/Sao_Paulo", "2018-11-04", "00:00", "2018-11-04T01:00:00-02:00"},
		{"midnight skipped in Beirut", "Asia/Beirut", "2026-03-29", "00:00", "2026-03-29T01:00:00+03:00"},
		{"a day dropped", "Pacific/Apia", "2011-12-30", "09:00", "2011-12-31T00:00:00+14:00"},
		{"quarter hours", "Asia/Kathmandu", "2026-01-01", "09:00", "2026-01-01T09:00:00+05:45"},
	} {
		clock, _ := time.Parse("15:04", tc.clock)
		got := zone(t, tc.zone).Start(day(t, tc.day), clock.Hour()*60+clock.Minute())
		if want := instant(t, tc.want); got != want {
			t.Errorf("%s: %s %s %s starts %s, want %s", tc.name, tc.zone, tc.day, tc.clock,
				time.UnixMilli(got).In(zone(t, tc.zone).loc), tc.want)
		}
	}
}

// The first minute of an hour-by-hour walk that shows the wanted time or later is what Start finds.
func TestStartIsTheFirstInstant(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range zoneNames {
		z := zone(t, name)
		for range 400 {
			d := Civil(2005, 1, 1) + Day(rng.IntN(25*365))
			minute := rng.IntN(24 * 60)
			wanted := int64(d)*daySec + int64(minute)*60
			at := (int64(d)-2)*daySec - 15*3600
			for z.local(at) < wanted {
				at += 60
			}
			if got := z.Start(d, minute); got != at*1000 {
				t.Fatalf("%s %s minute %d: got %d, want %d", name, d, minute, got, at*1000)
			}
		}
	}
}

func TestTodayNeverGoesBack(t *testing.T) {
	for _, name := range zoneNames {
		z := zone(t, name)
		for _, minute := range []int{0, 150, 540} {
			for _, year := range []int{2011, 2026} {
				checkToday(t, z, name, minute, year)
			}
		}
	}
}

func checkToday(t *testing.T, z Zone, name string, minute, year int) {
	t.Helper()
	at := time.Date(year, 1, 1, 0, 7, 0, 0, time.UTC).UnixMilli()
	today, until := z.Today(at, minute)
	for end := at + 366*dayMS; at < end; at += 47 * minuteMS {
		now, next := z.Today(at, minute)
		if at < until && (now != today || next != until) {
			t.Fatalf("%s %d: %s at %d, but %s was to last until %d", name, minute, now, at, today, until)
		}
		if at >= until && now <= today || next <= at {
			t.Fatalf("%s %d: %s at %d follows %s, next start %d", name, minute, now, at, today, next)
		}
		if z.Start(now, minute) > at || z.Start(now+1, minute) <= at {
			t.Fatalf("%s %d: %s has not started at %d or is over", name, minute, now, at)
		}
		today, until = now, next
	}
}

func TestTodayBeforeDayStarts(t *testing.T) {
	z := zone(t, "Asia/Shanghai")
	for at, want := range map[string]string{
		"2026-03-01T08:59:59+08:00": "2026-02-28",
		"2026-03-01T09:00:00+08:00": "2026-03-01",
		"2026-03-02T00:30:00+08:00": "2026-03-01",
	} {
		if got, _ := z.Today(instant(t, at), 540); got.String() != want {
			t.Errorf("S30 today at %s: got %s, want %s", at, got, want)
		}
	}
	if got := z.DayOf(instant(t, "2026-03-01T00:00:00+08:00")).String(); got != "2026-03-01" {
		t.Errorf("calendar day: got %s", got)
	}
}

func TestCivilDays(t *testing.T) {
	for d := Civil(1899, 12, 31); d < Civil(2301, 1, 2); d++ {
		want := time.Unix(int64(d)*daySec, 0).UTC()
		y, m, dd := d.Date()
		if y != want.Year() || m != int(want.Month()) || dd != want.Day() || Civil(y, m, dd) != d {
			t.Fatalf("day %d: got %d-%d-%d, want %s", d, y, m, dd, want)
		}
	}
	for _, bad := range []string{"2026-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "2026-1-01", "26-01-01", "1899-01-01", "2026/01/01", "2026-01-+1", ""} {
		if _, ok := ParseDay(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestAddMonths(t *testing.T) {
	for _, tc := range []struct {
		from   string
		months int
		want   string
	}{
		{"2024-01-31", 1, "2024-02-29"},
		{"2023-01-31", 1, "2023-02-28"},
		{"2024-02-29", 12, "2025-02-28"},
		{"2024-02-29", 48, "2028-02-29"},
		{"2023-10-31", 1, "2023-11-30"},
		{"2023-12-31", 2, "2024-02-29"},
		{"2024-05-15", 12, "2025-05-15"},
		{"2024-03-31", -1, "2024-02-29"},
	} {
		if got := day(t, tc.from).AddMonths(tc.months).String(); got != tc.want {
			t.Errorf("S29 %s + %d months: got %s, want %s", tc.from, tc.months, got, tc.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Day(rapid.Int32Range(-20000, 40000).Draw(t, "day"))
		n := rapid.IntRange(0, 1200).Draw(t, "months")
		y, m, dd := d.Date()
		want := time.Date(y, time.Month(m+n), dd, 0, 0, 0, 0, time.UTC)
		for want.Day() != dd && want.Day() < 4 { // it ran over into the next month
			want = want.AddDate(0, 0, -1)
		}
		if got := d.AddMonths(n); int64(got) != want.Unix()/daySec {
			t.Fatalf("%s + %d: got %s, want %s", d, n, got, want)
		}
	})
}
