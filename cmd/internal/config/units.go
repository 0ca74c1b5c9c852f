package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is an integer with a unit: ms s m h d w y (d = 24 h, y = 365 d).
type Duration time.Duration

var errUnit = fmt.Errorf("expected an integer with a unit")

func units(s string, table []unit) (int64, error) {
	for _, u := range table {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			v, err := strconv.ParseInt(n, 10, 64)
			if err != nil || v < 0 || v > (1<<63-1)/u.factor {
				return 0, errUnit
			}
			return v * u.factor, nil
		}
	}
	return 0, errUnit
}

type unit struct {
	suffix string
	factor int64
}

// ParseDuration reads a Duration.
func ParseDuration(s string) (Duration, error) {
	day := int64(24 * time.Hour)
	n, err := units(s, []unit{{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", day}, {"w", 7 * day}, {"y", 365 * day}})
	if err != nil {
		return 0, fmt.Errorf("%q is no duration (expected an integer with ms s m h d w or y, for example 7d)", s)
	}
	return Duration(n), nil
}

// Rule is the duration as a rule file writes it: whole milliseconds do not occur there, seconds do.
func (d Duration) Rule() string {
	return strconv.FormatInt(int64(time.Duration(d)/time.Second), 10) + "s"
}

func (d Duration) String() string { return time.Duration(d).String() }

// Size is a number of bytes: an integer with KiB MiB GiB TiB or B.
type Size int64

// ParseSize reads a Size.
func ParseSize(s string) (Size, error) {
	n, err := units(s, []unit{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}})
	if err != nil {
		return 0, fmt.Errorf("%q is no size (expected an integer with B KiB MiB GiB or TiB, for example 20GiB)", s)
	}
	return Size(n), nil
}

func (s Size) String() string { return strconv.FormatInt(int64(s), 10) + "B" }
