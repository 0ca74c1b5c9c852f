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
