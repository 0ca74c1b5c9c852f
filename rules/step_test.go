package rules_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/milepost-io/milepost/rules"
)

// TestScripts runs testdata/step: rules and events in, what left out. -rewrite regenerates them.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/step", func(t *testing.T, path string) {
		h := newHarness(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "rules":
				out, err := h.activate(rules.File{Name: "rules.yaml", Content: d.Input})
				var problems rules.Problems
				if errors.As(err, &problems) {
					return problems.Error() + "\n"
				}
				if err != nil {
					return err.Error()
				}
				if out == "" {
					return "ok\n"
				}
				return out
			case "run":
				h.evidence = d.HasArg("evidence")
				return h.run(d.Input)
			case "new":
				h = newHarness(t)
				return ""
			default:
				return fmt.Sprintf("unknown command %q", d.Cmd)
			}
		})
	})
}
