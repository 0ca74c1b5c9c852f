package json

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/milepost-io/milepost/ingest"
)

// Each file of testdata/split holds payloads and the entries they split into: `split` an array or one
// event, `lines` NDJSON, `unwrap` a CloudEvent.
func TestSplit(t *testing.T) {
	datadriven.Walk(t, "testdata/split", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			var b strings.Builder
			show := func(e Entry) error {
				fmt.Fprintf(&b, "%s key=%s", e.Type, e.Key)
				if e.Party {
					b.WriteString(" party")
				}
				fmt.Fprintf(&b, " %s\n", e.Payload)
				return nil
			}
			var err error
			switch td.Cmd {
			case "split":
				err = Split(payloadOf(t, td), show)
			case "lines":
				err = SplitLines(payloadOf(t, td), show)
			case "unwrap":
				var data []byte
				data, err = Unwrap(payloadOf(t, td))
				fmt.Fprintf(&b, "%s\n", data)
			}
			if err != nil {
				return err.Error() + "\n"
			}
			return b.String()
		})
	})
}

func TestSplitEndsWithTheErrorOfYield(t *testing.T) {
	enough := errors.New("enough")
	for name, split := range map[string]func([]byte, func(Entry) error) error{"array": Split, "lines": SplitLines} {
		n := 0
		payload := "{}\n{}\n{}"
		if name == "array" {
			payload = "[{},{},{}]"
		}
		err := split([]byte(payload), func(Entry) error {
			if n++; n == 2 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || n != 2 {
			t.Errorf("%s: %v after %d entries", name, err, n)
		}
	}
}

// An array that ends too early yields nothing, at whichever byte that is.
func TestSplitTruncatedAtEveryByte(t *testing.T) {
	whole := "[" + typicalEvent + `, {"a":["]",{"b":"\\\""}]} ]`
	for n := range len(whole) {
		if n == 0 {
			continue // empty is no array
		}
		err := Split([]byte(whole[:n]), func(e Entry) error {
			t.Errorf("cut at %d: yielded %s", n, e.Payload)
			return nil
		})
		if got := reasonOf(t, err); got != ingest.ReasonSyntax {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// A bad entry costs its neighbours nothing.
func TestSplitKeepsNeighboursOfABadEntry(t *testing.T) {
	d, ev := NewDecoder(ingest.BuiltinCatalogue()), new(ingest.Event)
	var reasons []string
	err := Split([]byte(`[{"type":"telemetry","vin":"V1"},{"type":"telemetry","vin":"V2","signals":{"soc":tru}},{"type":"telemetry","vin":"V3"}]`),
		func(e Entry) error {
			reasons = append(reasons, string(e.Key)+" "+reasonOf(t, d.Decode(e.Payload, ev)))
			return nil
		})
	if got := strings.Join(reasons, ","); err != nil || got != "V1 ,V2 syntax,V3 " {
		t.Errorf("%q, %v", got, err)
	}
}

func BenchmarkSplit(b *testing.B) {
	p := []byte("[" + strings.Repeat(typicalEvent+",", 99) + typicalEvent + "]")
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Split(p, func(Entry) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
