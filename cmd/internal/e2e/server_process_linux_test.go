//go:build e2e

package e2e

import "syscall"

// serverAttr: a Ctrl-C ends the test, which ends its servers, and a test that is killed takes them along.
func serverAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
