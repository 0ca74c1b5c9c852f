package plan

import "math"

// Day is a civil day: days since 1970-01-01, in the vehicle's zone.
type Day int32

// NoDay says that a day is not known.
const NoDay Day = math.MinInt32

// Metres is a distance in km as a whole number of metres, the nearest, halves up. Every comparison of
// S20…S36 is made after this rounding. km must be finite and not negative (S6).
func Metres(km float64) int64 { return thousandths(km) }

// MilliHours is a duration in hours as a whole number of thousandths, the nearest, halves up.
func MilliHours(h float64) int64 { return thousandths(h) }

func thousandths(v float64) int64 { return int64(float64(v*1000) + 0.5) }

// Units is the inverse of Metres and MilliHours, for display.
func Units(v int64) float64 { return float64(v) / 1000 }

const (
	kilometre int64 = 1000 // metres
	hour      int64 = 1000 // thousandths of an hour
	minuteMS  int64 = 60_000
	dayMS     int64 = 86_400_000
)

// Dim is a dimension of an interval.
type Dim uint8

const (
	KM Dim = iota
	Date
	Hours
	dims = 3
)
