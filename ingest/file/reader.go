// Package file reads recorded events: lines of NDJSON (plain or zstd) go in, ingest.Records with their
// arrival come out (S1).
package file

import "github.com/milepost-io/milepost/ingest"

// Reader yields the records of one file in order. It is used by one goroutine.
type Reader struct{}

// Open opens a recording; a name ending in .zst is decompressed.
func Open(name string) (*Reader, error) { panic("not built yet") }

// Next returns the next record, or io.EOF. The record is valid until the next call.
func (r *Reader) Next() (ingest.Record, error) { panic("not built yet") }

// Close releases the file.
func (r *Reader) Close() error { panic("not built yet") }
