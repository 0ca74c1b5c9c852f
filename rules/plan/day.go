package plan

import "github.com/milepost-io/milepost/ingest/civil"

// Civil is the day of a date. month 1…12; day must be a day of that month.
func Civil(year, month, day int) Day { return Day(civil.Days(year, month, day)) }

// Date is the inverse of Civil.
func (d Day) Date() (year, month, day int) { return civil.Date(int(d)) }

// AddMonths keeps the day of the month, clamped to the last day of the target month (S29).
func (d Day) AddMonths(n int) Day {
	year, month, day := d.Date()
	months := int64(year)*12 + int64(month-1) + int64(n)
	year, month = int(civil.FloorDiv(months, 12)), int(months-12*civil.FloorDiv(months, 12))+1
	return Civil(year, month, min(day, civil.DaysIn(year, month)))
}

// monthsTo is how many whole calendar months lie between the months of two days, whatever the days.
func (d Day) monthsTo(e Day) int64 {
	y1, m1, _ := d.Date()
	y2, m2, _ := e.Date()
	return int64(y2-y1)*12 + int64(m2-m1)
}

// String is YYYY-MM-DD.
func (d Day) String() string {
	y, m, day := d.Date()
	b := [10]byte{'0', '0', '0', '0', '-', '0', '0', '-', '0', '0'}
	put := func(at, v, digits int) {
		for i := at + digits - 1; i >= at; i-- {
			b[i] = byte('0' + v%10)
			v /= 10
		}
	}
	put(0, y, 4)
	put(5, m, 2)
	put(8, day, 2)
	return string(b[:])
}

// ParseDay reads YYYY-MM-DD, years 1900 to 2999.
func ParseDay(s string) (Day, bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return NoDay, false
	}
	y, ok1 := digits(s[:4])
	m, ok2 := digits(s[5:7])
	d, ok3 := digits(s[8:])
	if !ok1 || !ok2 || !ok3 || y < 1900 || y > 2999 || m < 1 || m > 12 || d < 1 || d > civil.DaysIn(y, m) {
		return NoDay, false
	}
	return Civil(y, m, d), true
}

func digits(s string) (int, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
