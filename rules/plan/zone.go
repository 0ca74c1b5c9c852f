package plan

import "time"

// Zone is an IANA zone.
type Zone struct{ loc *time.Location }

// InZone makes a Zone; nil is UTC.
func InZone(loc *time.Location) Zone { return Zone{loc} }

// DayOf is the local calendar day of an instant (Unix ms).
func (z Zone) DayOf(ms int64) Day { panic("not built yet") }

// Start is the first instant (Unix ms) at which the local clock shows minute (after midnight) of day or
// later: where that time is skipped, the first instant after the gap; where it occurs twice, the first.
func (z Zone) Start(day Day, minute int) int64 { panic("not built yet") }

// Today is the day that has started by the clock (S30): the local date, before minute (day_starts) still
// the day before. until is the instant at which the next one starts. It never goes back while the clock
// does not.
func (z Zone) Today(ms int64, minute int) (today Day, until int64) { panic("not built yet") }

// Civil is the day of a date. month 1…12; day must be a day of that month.
func Civil(year, month, day int) Day { panic("not built yet") }

// Date is the inverse of Civil.
func (d Day) Date() (year, month, day int) { panic("not built yet") }

// AddMonths keeps the day of the month, clamped to the last day of the target month (S29).
func (d Day) AddMonths(n int) Day { panic("not built yet") }

// String is YYYY-MM-DD.
func (d Day) String() string { panic("not built yet") }

// ParseDay reads YYYY-MM-DD.
func ParseDay(s string) (Day, bool) { panic("not built yet") }
