// Package json is the canonical codec: a JSON payload goes in, an ingest.Event comes out. It also splits
// arrays and NDJSON into entries and tells the key of each, for sources that route by content.
//
// Telemetry is read by a strict scanner that allocates nothing; everything else, being rare, is checked
// by the same scanner and then decoded by a library into typed structs. Both refuse duplicate keys,
// text that is not Unicode, trailing bytes and nesting beyond ingest.MaxDepth.
package json
