package nearest

import "testing"

func TestWord(t *testing.T) {
	known := []string{"speed", "severity", "coolant_temp", "soc", "soh", "Plan", "rules"}
	for _, x := range []struct{ typed, want string }{
		{"sped", "speed"}, {"spede", "speed"}, {"sspeed", "speed"}, {"speef", "speed"}, // each kind of edit
		{"SPEED", "speed"}, {"plan", "Plan"}, // capitals
		{"coolant_tmep", "coolant_temp"}, {"coolnt_tmp", "coolant_temp"},
		{"sox", "soc"},                     // the first of equals
		{"coolant_temperature_of_oil", ""}, // more than a third away
		{"x", ""}, {"", ""}, {"rule", "rules"},
	} {
		if got := Word(x.typed, known); got != x.want {
			t.Errorf("nearest to %q is %q, want %q", x.typed, got, x.want)
		}
	}
	if got := Word("speed", nil); got != "" {
		t.Errorf("nearest of nothing is %q", got)
	}
}

func TestEdits(t *testing.T) {
	for _, x := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "cab", 2},
		{"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		if got := edits(x.a, x.b, 100); got != x.want {
			t.Errorf("%q to %q is %d edits, want %d", x.a, x.b, got, x.want)
		}
		if got := edits(x.b, x.a, 100); got != x.want {
			t.Errorf("%q to %q is %d edits, want %d", x.b, x.a, got, x.want)
		}
	}
}
