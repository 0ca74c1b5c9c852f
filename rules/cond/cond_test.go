package cond

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestEval runs testdata/eval: "state" sets what the vehicle is, "eval" answers each line of its input.
func TestEval(t *testing.T) {
	datadriven.Walk(t, "testdata/eval", func(t *testing.T, path string) {
		var s state
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "state":
				s = strings.Split(strings.TrimSpace(d.Input), "\n")
				return ""
			case "eval":
				return evalLines(t, s, d.Input)
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
				return ""
			}
		})
	})
}

func evalLines(t *testing.T, s state, input string) string {
	var out strings.Builder
	for src := range strings.Lines(input) {
		src = strings.TrimSuffix(src, "\n")
		env := newTestEnv(t)
		c := mustCompile(t, env, src)
		f, err := s.frame(env)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%-8s %s\n", c.Eval(f), src)
	}
	return out.String()
}

// TestErrors runs testdata/errors: each line is refused, with a caret under the place.
func TestErrors(t *testing.T) {
	datadriven.Walk(t, "testdata/errors", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			_, err := Compile(newTestEnv(t), d.Input)
			e := new(Error)
			if !errors.As(err, &e) {
				return fmt.Sprintf("not refused: %v\n", err)
			}
			lines := strings.Split(d.Input, "\n")
			if e.Line < 1 || e.Line > len(lines) {
				t.Fatalf("%s: line %d of %d", d.Input, e.Line, len(lines))
			}
			return fmt.Sprintf("%s\n%s^\n%s\n", lines[e.Line-1], strings.Repeat(" ", e.Column-1), e)
		})
	})
}
