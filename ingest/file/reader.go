// Package file reads recorded events: lines of NDJSON, plain or zstd, go in; ingest.Records with their
// arrival (S1) come out, in the order of the lines.
package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

// Source is the Source of every record of a file; its Topic is the file's name.
const Source = "file"

// types are what a file may carry: an erase is for the administration alone.
var types = ingest.TypeSet(ingest.Telemetry, ingest.Vehicle, ingest.Party, ingest.Service, ingest.Feedback, ingest.Erase)

// Reader yields the records of one recording. A line that is no event in JSON is a record too, under an
// empty key, for the step to quarantine; a blank line is none. The recording is read from the start as
// far as its first telemetry, to learn what S1 gives the lines before it, and then once more; never is
// more than one line in memory. A Reader is used by one goroutine.
type Reader struct {
	name   string
	closer io.Closer
	lines  *lineReader
	clock  arrivals
	heads  json.HeadReader
	key    []byte
}

// Open opens a recording; a name that ends in .zst is decompressed.
func Open(name string) (*Reader, error) {
	return New(name, func() (io.ReadCloser, error) {
		f, err := os.Open(name)
		if err != nil || !strings.HasSuffix(name, ".zst") {
			return f, err
		}
		return newZstd(f)
	})
}

// New returns a Reader of what open yields, which is called twice; both must read the same. name stands
// in records and errors.
func New(name string, open func() (io.ReadCloser, error)) (*Reader, error) {
	first, err := open()
	if err != nil {
		return nil, fmt.Errorf("file: open %s: %w", name, err)
	}
	clock, err := survey(newLineReader(first))
	if err = errors.Join(err, first.Close()); err != nil {
		return nil, fmt.Errorf("file: read %s: %w", name, err)
	}
	again, err := open()
	if err != nil {
		return nil, fmt.Errorf("file: open %s again: %w", name, err)
	}
	return &Reader{name: name, closer: again, lines: newLineReader(again), clock: clock}, nil
}

// Next returns the next record, or io.EOF after the last. The record is valid until the next call.
func (r *Reader) Next() (ingest.Record, error) {
	line, err := r.lines.next()
	if errors.Is(err, io.EOF) {
		return ingest.Record{}, io.EOF
	}
	if err != nil {
		return ingest.Record{}, fmt.Errorf("file: read %s after line %d: %w", r.name, r.lines.number, err)
	}
	rec := ingest.Record{Types: types, Source: Source, Topic: r.name, Codec: json.Name, Payload: line.text, Oversize: line.oversize}
	if line.oversize {
		rec.Arrival = r.clock.stamp(json.Head{Type: ingest.Unknown})
		return rec, nil
	}
	head, err := r.heads.Read(line.text)
	if err != nil {
		rec.Arrival = r.clock.stamp(json.Head{Type: ingest.Unknown})
		return rec, nil //nolint:nilerr // the step quarantines it with its reason
	}
	rec.Arrival = r.clock.stamp(head)
	r.key = append(r.key[:0], head.Key...) // the cut moves the bytes it points to
	rec.Key, rec.Party = r.key, head.Party
	rec.Payload = append(line.text[:head.CutFrom], line.text[head.CutTo:]...)
	return rec, nil
}

// Line is the number of the line that the last record came from, from 1.
func (r *Reader) Line() int { return r.lines.number }

// Close releases the file.
func (r *Reader) Close() error { return r.closer.Close() }

// zstdFile is a decompressor that closes the file below it.
type zstdFile struct {
	*zstd.Decoder
	file *os.File
}

func newZstd(f *os.File) (io.ReadCloser, error) {
	d, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return zstdFile{Decoder: d, file: f}, nil
}

func (z zstdFile) Close() error {
	z.Decoder.Close()
	return z.file.Close()
}
