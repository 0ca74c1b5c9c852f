// Package e2e uses the built binary as its users do: over MQTT, HTTP and the command line, with kill -9,
// real receivers and a real browser. Its tests have the build tag e2e: `make e2e`.
package e2e
