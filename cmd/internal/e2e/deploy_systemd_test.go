//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSystemdUnit has systemd check the unit and judge how well it is confined: 0 is best, 10 is not at all.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing: run .ci/e2e-deps, or on Debian or Ubuntu: sudo apt-get install systemd")
	}
	unit, err := os.ReadFile(deployed + "systemd/milepost.service")
	if err != nil {
		t.Fatal(err)
	}
	const installed = "/usr/local/bin/milepost"
	if strings.Count(string(unit), "ExecStart="+installed+" serve") != 1 {
		t.Fatalf("the unit does not start %s serve", installed)
	}
	file := filepath.Join(t.TempDir(), "milepost.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(unit), "ExecStart="+installed, "ExecStart="+binary(t))), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", "--man=no", file}, {"security", "--no-pager", "--offline=yes", "--threshold=15", file}} {
		// What verify finds doubtful it says and succeeds all the same.
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil || args[0] == "verify" && strings.Contains(string(out), "milepost.service") {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}
