package strictyaml

import (
	"strings"
	"testing"
)

func TestProblemString(t *testing.T) {
	long := strings.Repeat("a", 300) + "X" + strings.Repeat("b", 300)
	for _, x := range []struct {
		p    Problem
		want string
	}{
		{Problem{File: "f", Message: "m"}, "f: m"},
		{Problem{File: "f", Message: "m", Expected: "e", Nearest: "n"}, "f: m\n        expected e\n        did you mean \"n\"?"},
		{Problem{File: "f", Line: 3, Column: 3, Text: "abc", Message: "m"}, "f:3:3: m\n    3 | abc\n      |   ^"},
		{Problem{File: "f", Line: 1, Column: 4, Text: "\té机x", Message: "m"}, "f:1:4: m\n    1 | \té机x\n      | \t   ^"},
		{Problem{File: "f", Line: 1, Column: 301, Text: long, Message: "m"}, "f:1:301: m\n    1 | …" + strings.Repeat("a", 78) + "X" +
			strings.Repeat("b", 79) + "…\n      | " + strings.Repeat(" ", 79) + "^"},
		{Problem{File: "f", Line: 1, Column: 2, Text: long, Message: "m"}, "f:1:2: m\n    1 | " + long[:159] + "…\n      |  ^"},
		{Problem{File: "f", Line: 1, Column: 602, Text: long, Message: "m"}, "f:1:602: m\n    1 | …" + long[601-159:] + "\n      | " + strings.Repeat(" ", 160) + "^"},
		{Problem{File: "f", Line: 1, Column: 60, Text: strings.Repeat("机", 100), Message: "m"}, "f:1:60: m\n    1 | " + strings.Repeat("机", 100) +
			"\n      | " + strings.Repeat("  ", 59) + "^"},
	} {
		if got := x.p.String(); got != x.want {
			t.Errorf("got:\n%s\nwant:\n%s", got, x.want)
		}
	}
}

func TestProblemsAreSortedByPlace(t *testing.T) {
	var r Reader
	if r.Err() != nil {
		t.Error("no problem is an error")
	}
	a, b := r.Parse("a", "x: 1\ny: 2\n"), r.Parse("b", "x: 1\n")
	r.At(b, "5", "")
	r.At(a.Fields[1].Value, "3", "")
	r.At(a.Fields[1].Value, "4", "")
	r.At(a.Fields[1].Key, "2", "")
	r.At(a, "1", "")
	got := ""
	r.Err()
	for _, p := range r.Problems {
		got += p.Message
	}
	if got != "12345" {
		t.Errorf("order %s", got)
	}
}

// The text of an error is bounded, whatever the file holds.
func TestProblemsError(t *testing.T) {
	var r Reader
	root := r.Parse("f", "["+strings.Repeat("1, ", 100_000)+"]")
	for _, n := range root.Items {
		r.Text(n, "it")
	}
	text := r.Err().Error()
	if !strings.HasSuffix(text, "\nand 99900 more") || len(text) > 100_000 {
		t.Errorf("%d bytes, end %q", len(text), text[len(text)-50:])
	}
}
