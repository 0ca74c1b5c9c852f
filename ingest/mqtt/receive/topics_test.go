package receive

import "testing"

func TestFiltersMatch(t *testing.T) {
	cases := []struct{ filter, topic, want string }{
		{"vehicles/+/telemetry", "vehicles/V1/telemetry", "V1"},
		{"+/up/#", "V1/up/a/b", "V1"},
		{"+/up/#", "V1/up", "V1"},
		{"a/b", "a/b", ""},
		{"a/+/+", "a/V1/x", "V1"},
		{"#", "x/y", ""},
		{"a/b", "a/b/", "no"},
		{"a/b", "a", "no"},
		{"a/+", "a", "no"},
		{"+/b", "$SYS/b", "no"},
		{"#", "$SYS", "no"},
	}
	for _, tc := range cases {
		rs, err := NewRoutes([]Topic{{Filter: tc.filter, Codec: "json", Types: 1}}, DefaultCodecs())
		if err != nil {
			t.Fatal(err)
		}
		r, key := rs.Match(tc.topic)
		if got := key; r == nil && tc.want != "no" || r != nil && got != tc.want {
			t.Errorf("%s against %s: key %q, matched %v; expected %q", tc.topic, tc.filter, got, r != nil, tc.want)
		}
	}
}

func TestTopicsAreMasked(t *testing.T) {
	if got := MaskTopic("vehicles/LSVAA49J132000001/x"); got != "…cles/…0001/x" {
		t.Fatalf("masked to %q", got)
	}
}

func TestFiltersOverlap(t *testing.T) {
	for _, x := range []struct {
		a, b string
		want bool
	}{
		{"vehicles/+/telemetry", "vehicles/+/profile", false},
		{"vehicles/+/telemetry", "vehicles/V1/+", true},
		{"vehicles/+", "vehicles/+/telemetry", false},
		{"vehicles/#", "vehicles/+/telemetry", true},
		{"vehicles/#", "vehicles", true},
		{"parties/+", "vehicles/+", false},
		{"a/b", "a/b", true},
		{"#", "a", true},
	} {
		if Overlap(x.a, x.b) != x.want || Overlap(x.b, x.a) != x.want {
			t.Errorf("%s and %s: expected %v", x.a, x.b, x.want)
		}
	}
}
