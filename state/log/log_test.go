package log

import "testing"

// TestMurmur2 has the vectors of Kafka's own test of Utils.murmur2.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestShardOf(t *testing.T) {
	for _, key := range []string{"", "foobar", "V1", "WVWZZZ1JZ3W000001"} {
		if got, want := int(ShardOf([]byte(key), 7)), int(murmur2([]byte(key))&0x7fffffff)%7; got != want {
			t.Errorf("ShardOf(%q, 7) = %d, want %d", key, got, want)
		}
	}
	if got := ShardOf([]byte("foobar"), 1); got != 0 {
		t.Errorf("ShardOf with one partition = %d, want 0", got)
	}
}
