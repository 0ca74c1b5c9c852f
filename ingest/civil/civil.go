// Package civil turns dates of the proleptic Gregorian calendar into days since 1970-01-01, and back.
//
// It counts years from March, so that the leap day is the last of its year and months follow a fixed rhythm
// of 153 days in five.
package civil

const (
	daysPer400Years = 146_097
	// epochFromMarch0 is the number of days from 0000-03-01 to 1970-01-01.
	epochFromMarch0 = 719_468
)

// Days is the number of days from 1970-01-01 to a date. month is 1 to 12; day must be a day of that month.
func Days(year, month, day int) int {
	y, m := year, month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	era := int(FloorDiv(int64(y), 400))
	yearOfEra := y - era*400
	dayOfYear := (153*m+2)/5 + day - 1
	return era*daysPer400Years + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - epochFromMarch0
}

// Date is the inverse of Days.
func Date(days int) (year, month, day int) {
	n := days + epochFromMarch0
	era := int(FloorDiv(int64(n), daysPer400Years))
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

// DaysIn is the number of days of a month.
func DaysIn(year, month int) int {
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

// FloorDiv is a/b rounded down, for b > 0: times before 1970 belong to the hour and the day they lie in.
func FloorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
