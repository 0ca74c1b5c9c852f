package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/klauspost/compress/zstd"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

func readerOf(t *testing.T, content string) *Reader {
	t.Helper()
	r, err := New("test", func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// S1: the arrival of lines. Each case of testdata/arrivals is a recording and its records.
func TestS1Arrivals(t *testing.T) {
	datadriven.RunTest(t, "testdata/arrivals", func(t *testing.T, td *datadriven.TestData) string {
		var b strings.Builder
		r := readerOf(t, td.Input)
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				return b.String()
			}
			if err != nil {
				t.Fatal(err)
			}
			arrival := "0"
			if rec.Arrival != 0 {
				arrival = time.UnixMilli(rec.Arrival).UTC().Format("2006-01-02T15:04:05.999")
			}
			fmt.Fprintf(&b, "%d: %s key=%s", r.Line(), arrival, rec.Key)
			if rec.Party {
				b.WriteString(" party")
			}
			fmt.Fprintf(&b, " %s\n", rec.Payload)
		}
	})
}

func TestRecordOfALine(t *testing.T) {
	r := readerOf(t, `{"type":"telemetry","vin":"V1","time":"2026-03-01T00:00:00Z"}`)
	rec, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if rec.Source != "file" || rec.Topic != "test" || rec.Codec != "json" || rec.Origin != "" || rec.Oversize {
		t.Errorf("record %+v", rec)
	}
	for typ := ingest.Telemetry; typ <= ingest.Erase; typ++ {
		if !rec.Types.Has(typ) {
			t.Errorf("a file may not carry %v", typ)
		}
	}
}

// S5: in a file the bytes that tell duplicates are the line without its arrival.
func TestS5FingerprintLeavesOutArrival(t *testing.T) {
	plain := `{"type":"telemetry","vin":"V1","time":1772323200000,"signals":{"odometer":1}}`
	r := readerOf(t, strings.Join([]string{
		plain,
		`{"arrival":1772323260000,"type":"telemetry","vin":"V1","time":1772323200000,"signals":{"odometer":1}}`,
		`{"type":"telemetry","vin":"V1","arrival":"2026-03-01T00:02:00Z","time":1772323200000,"signals":{"odometer":1}}`,
		`{"type":"telemetry","vin":"V1","time":1772323200000,"signals":{"odometer":1},"arrival":1772323380000}`,
	}, "\n"))
	for range 4 {
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ingest.Fingerprint(rec.Payload) != ingest.Fingerprint([]byte(plain)) || string(rec.Key) != "V1" {
			t.Errorf("line %d: %q under %q", r.Line(), rec.Payload, rec.Key)
		}
	}
}

func TestLongLines(t *testing.T) {
	good := `{"type":"telemetry","vin":"V1","time":1772323200000}`
	pad := func(n int) string { return good + strings.Repeat(" ", n-len(good)-1) + "x" }
	for _, n := range []int{ingest.MaxPayload - 1, ingest.MaxPayload, ingest.MaxPayload + 1, ingest.MaxPayload + 2, ingest.MaxPayload + 3, 10 << 20} {
		for _, end := range []string{"\n", "\r\n", ""} {
			text := pad(n)
			r := readerOf(t, good+"\n"+text+end)
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			rec, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if rec.Oversize != (n > ingest.MaxPayload) {
				t.Fatalf("%d bytes: oversize is %v", n, rec.Oversize)
			}
			if want := ingest.Oversize([]byte(text)); rec.Oversize && end != "\r\n" && !bytes.Equal(rec.Payload, want) {
				t.Errorf("%d bytes: form of %d bytes differs from %d", n, len(rec.Payload), len(want))
			}
			if !rec.Oversize && string(rec.Payload) != text {
				t.Errorf("%d bytes: payload has %d", n, len(rec.Payload))
			}
			if len(rec.Key) != 0 || rec.Arrival != 1772323200000 {
				t.Errorf("%d bytes: key %q, arrival %d", n, rec.Key, rec.Arrival)
			}
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("%d bytes: %v after the last line", n, err)
			}
		}
	}
}

func TestOpenPlainAndCompressed(t *testing.T) {
	content := []byte(`{"type":"vehicle","vin":"V1","profile":{}}` + "\n" + `{"type":"telemetry","vin":"V1","time":"2026-03-01T00:00:00Z"}` + "\n")
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, bytes := range map[string][]byte{"fleet.ndjson": content, "fleet.ndjson.zst": enc.EncodeAll(content, nil)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; ; n++ {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || rec.Arrival != 1772323200000 {
				t.Fatalf("%s: %+v, %v", name, rec, err)
			}
		}
		if err := r.Close(); err != nil || n != 2 {
			t.Errorf("%s: %d records, %v", name, n, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "nothing.ndjson")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	path := filepath.Join(dir, "damaged.zst")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "damaged.zst") {
		t.Errorf("a damaged file: %v", err)
	}
}

// A recording is never held in memory: what is read before its first telemetry is read again.
func TestReaderHoldsOneLine(t *testing.T) {
	line := []byte(`{"type":"vehicle","vin":"V1","profile":{"note":"` + strings.Repeat("x", 900) + `"}}` + "\n")
	const lines = 20_000 // 19 MB
	open := func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(&repeated{line: line, n: lines},
			strings.NewReader(`{"type":"telemetry","vin":"V1","time":"2026-03-01T00:00:00Z"}`))), nil
	}
	r, err := New("test", open)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || rec.Arrival != 1772323200000 {
			t.Fatalf("record %d: arrival %d, %v", n, rec.Arrival, err)
		}
	}
	if held := cap(r.lines.buf); n != lines+1 || held > 64<<10 {
		t.Errorf("%d records, a buffer of %d bytes", n, held)
	}
}

// repeated reads as n copies of a line.
type repeated struct {
	line []byte
	n    int
	rest []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.rest = r.line
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

var _ ingest.Decoder = (*json.Decoder)(nil)

func BenchmarkReader(b *testing.B) {
	line := []byte(`{"type":"telemetry","vin":"LSVAA49J132000001","time":"2026-03-01T08:15:30.250Z","seq":1842,"signals":{"odometer":19987.4,"speed":63.2,"coolant_temp":92,"soc":71.5},"arrival":"2026-03-01T08:15:31Z"}` + "\n")
	open := func() (io.ReadCloser, error) { return io.NopCloser(&repeated{line: line, n: b.N}), nil }
	r, err := New("bench", open)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for range b.N {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
