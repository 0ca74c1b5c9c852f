//go:build e2e && unix && !linux

package e2e

import "syscall"

// serverAttr: a Ctrl-C ends the test, which ends its servers.
func serverAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
