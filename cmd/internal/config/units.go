package config

import (
	"strconv"
	"time"

	"github.com/milepost-io/milepost/ingest/strictyaml"
)

// Duration is a whole number with a unit: s m h d w as everywhere (S8), and ms and y (365 d).
type Duration time.Duration

// ParseDuration reads a Duration.
func ParseDuration(s string) (Duration, bool) {
	if d, ok := strictyaml.ParseDuration(s); ok {
		return Duration(d), true
	}
	n, ok := strictyaml.ParseQuantity(s, []strictyaml.Unit{{Suffix: "ms", Factor: 1e6}, {Suffix: "y", Factor: int64(365 * 24 * time.Hour)}})
	return Duration(n), ok
}

// Rule is the duration as a rule file writes it: whole milliseconds do not occur there, seconds do.
func (d Duration) Rule() string {
	return strconv.FormatInt(int64(time.Duration(d)/time.Second), 10) + "s"
}

func (d Duration) String() string { return time.Duration(d).String() }

// Size is a number of bytes: a whole number with KiB MiB GiB TiB or B.
type Size int64

// ParseSize reads a Size.
func ParseSize(s string) (Size, bool) {
	n, ok := strictyaml.ParseQuantity(s, []strictyaml.Unit{
		{Suffix: "KiB", Factor: 1 << 10}, {Suffix: "MiB", Factor: 1 << 20}, {Suffix: "GiB", Factor: 1 << 30}, {Suffix: "TiB", Factor: 1 << 40}, {Suffix: "B", Factor: 1},
	})
	return Size(n), ok
}

func (s Size) String() string { return strconv.FormatInt(int64(s), 10) + "B" }
