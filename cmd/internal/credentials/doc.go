// Package credentials takes the files by which those who listen know themselves and others: certificates
// and tokens. Out come a TLS configuration that follows its files, and a Guard that lets HTTP requests
// through by role. Users of the MQTT broker are in ingest/broker/users.
package credentials
