// Package deploytest holds deploy/ against the engine and its documents: every alert has its runbook, every query
// names metrics that exist, every example is one that the engine takes. It holds tests alone; what needs promtool,
// systemd or real brokers is in package e2e.
package deploytest
