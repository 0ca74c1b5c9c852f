package strictyaml

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit is what may stand behind a number, and what it is worth.
type Unit struct {
	Suffix string
	Factor int64
}

// ParseQuantity reads a whole number from 0 with one of the units, the first whose suffix fits, and nothing
// between them: "30s". It returns the number times the factor; ok is false for anything else and for what
// no int64 holds.
func ParseQuantity(s string, units []Unit) (n int64, ok bool) {
	for _, u := range units {
		digits, found := strings.CutSuffix(s, u.Suffix)
		if !found {
			continue
		}
		if digits == "" || digits[0] < '0' || digits[0] > '9' { // ParseInt takes signs
			return 0, false
		}
		v, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || v > math.MaxInt64/u.Factor {
			return 0, false
		}
		return v * u.Factor, true
	}
	return 0, false
}

// maxDuration keeps sums of a time and a duration far from overflow: 100 years.
const maxDuration = 36500 * 24 * time.Hour

// ParseDuration reads a duration of S8: a whole number with s, m, h, d or w (d = 24 h), at most 100 years.
func ParseDuration(s string) (time.Duration, bool) {
	const day = int64(24 * time.Hour)
	n, ok := ParseQuantity(s, []Unit{
		{"s", int64(time.Second)}, {"m", int64(time.Minute)}, {"h", int64(time.Hour)}, {"d", day}, {"w", 7 * day},
	})
	return time.Duration(n), ok && n <= int64(maxDuration)
}
