package strictyaml

import (
	"math"
	"testing"
	"time"
)

// S8: an integer with s m h d w.
func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"0s": 0, "30s": 30 * time.Second, "2m": 2 * time.Minute, "1h": time.Hour, "7d": 7 * day, "2w": 14 * day, "36500d": 36500 * day,
	} {
		if got, ok := ParseDuration(s); !ok || got != want {
			t.Errorf("%s is %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "s", "30", "-1s", "+1s", "1.5h", "1y", "1ms", "1 h", " 1h", "1h ", "9999999999999999999s", "36501d", "5300w"} {
		if got, ok := ParseDuration(s); ok {
			t.Errorf("%q is taken as %v", s, got)
		}
	}
}

func TestParseQuantity(t *testing.T) {
	units := []Unit{{"KiB", 1 << 10}, {"B", 1}}
	for s, want := range map[string]int64{"0B": 0, "3KiB": 3072, "007B": 7, "9223372036854775807B": math.MaxInt64} {
		if got, ok := ParseQuantity(s, units); !ok || got != want {
			t.Errorf("%s is %d, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "B", "KiB", "1", "1 B", "-1B", "+1B", "0x1B", "1_0B", "9223372036854775807KiB", "9223372036854775808B"} {
		if got, ok := ParseQuantity(s, units); ok {
			t.Errorf("%q is taken as %d", s, got)
		}
	}
}
