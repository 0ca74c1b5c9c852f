package file

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/milepost-io/milepost/ingest"
)

// line is one line without its line end and the white space around it.
type line struct {
	text []byte
	// oversize: the line is longer than ingest.MaxPayload and text is its ingest.Oversize form.
	oversize bool
}

// lineReader reads lines of any length in bounded memory.
type lineReader struct {
	r *bufio.Reader
	// number counts the lines read, blank ones too.
	number int
	buf    []byte
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next line that is not blank, valid until the next call, or io.EOF.
func (l *lineReader) next() (line, error) {
	for {
		got, err := l.read()
		if err != nil {
			return line{}, err
		}
		l.number++
		if got.oversize {
			return got, nil
		}
		got.text = bytes.Trim(got.text, " \t\r\n")
		if len(got.text) > ingest.MaxPayload {
			return line{text: ingest.Oversize(got.text), oversize: true}, nil
		}
		if len(got.text) > 0 {
			return got, nil
		}
	}
}

// read reads up to a line end or the end of the input.
func (l *lineReader) read() (line, error) {
	l.buf = l.buf[:0]
	var long longLine
	for {
		part, err := l.r.ReadSlice('\n')
		if long.sum == nil && len(l.buf)+len(part) <= ingest.MaxPayload+len("\r\n") {
			l.buf = append(l.buf, part...)
		} else {
			long.add(l.buf, part)
			l.buf = l.buf[:0]
		}
		switch {
		case err == nil, errors.Is(err, io.EOF) && (len(l.buf) > 0 || long.sum != nil):
			if long.sum != nil {
				return line{text: long.form(), oversize: true}, nil
			}
			return line{text: l.buf}, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line{}, err
		}
	}
}

// longLine digests a line that is too long to be kept.
type longLine struct {
	sum       hash.Hash
	length    int
	beginning []byte
}

func (l *longLine) add(parts ...[]byte) {
	if l.sum == nil {
		l.sum = sha256.New()
	}
	for _, p := range parts {
		p = bytes.TrimSuffix(p, []byte("\n"))
		_, _ = l.sum.Write(p) // a hash never fails to write
		l.length += len(p)
		if room := ingest.OversizeKeep - len(l.beginning); room > 0 {
			l.beginning = append(l.beginning, p[:min(room, len(p))]...)
		}
	}
}

func (l *longLine) form() []byte {
	return ingest.OversizeForm(l.length, [sha256.Size]byte(l.sum.Sum(nil)), l.beginning)
}
