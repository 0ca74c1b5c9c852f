package plan

// Civil days by the proleptic Gregorian calendar, after the usual trick of counting years from March, so
// that the leap day is the last of its year.

const (
	daysPer400Years = 146_097
	// epochFromMarch0 is the number of days from 0000-03-01 to 1970-01-01.
	epochFromMarch0 = 719_468
)

// Civil is the day of a date. month 1…12; day must be a day of that month.
func Civil(year, month, day int) Day {
	y, m := year, month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	era := int(floorDiv(int64(y), 400))
	yearOfEra := y - era*400
	dayOfYear := (153*m+2)/5 + day - 1
	return Day(era*daysPer400Years + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - epochFromMarch0)
}

// Date is the inverse of Civil.
func (d Day) Date() (year, month, day int) {
	n := int(d) + epochFromMarch0
	era := int(floorDiv(int64(n), daysPer400Years))
	n -= era * daysPer400Years
	yearOfEra := (n - n/1460 + n/36524 - n/146096) / 365
	dayOfYear := n - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*m+2)/5 + 1
	year, month = yearOfEra+era*400, m+3
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

// AddMonths keeps the day of the month, clamped to the last day of the target month (S29).
func (d Day) AddMonths(n int) Day {
	year, month, day := d.Date()
	months := int64(year)*12 + int64(month-1) + int64(n)
	year, month = int(floorDiv(months, 12)), int(months-12*floorDiv(months, 12))+1
	return Civil(year, month, min(day, daysIn(year, month)))
}

// monthsTo is how many whole calendar months lie between the months of two days, whatever the days.
func (d Day) monthsTo(e Day) int64 {
	y1, m1, _ := d.Date()
	y2, m2, _ := e.Date()
	return int64(y2-y1)*12 + int64(m2-m1)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
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
	if !ok1 || !ok2 || !ok3 || y < 1900 || y > 2999 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
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
