package json

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/milepost-io/milepost/ingest"
)

// Each file of testdata/decode holds payloads and what they decode to. `decode` takes the input as it
// stands, `quoted` as a Go string, for bytes that no text file can hold. -rewrite writes the files anew.
func TestDecode(t *testing.T) {
	d := NewDecoder(ingest.BuiltinCatalogue())
	datadriven.Walk(t, "testdata/decode", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			return dump(d, payloadOf(t, td))
		})
	})
}

func payloadOf(t testing.TB, td *datadriven.TestData) []byte {
	if td.Cmd != "quoted" {
		return []byte(td.Input)
	}
	text, err := strconv.Unquote(td.Input)
	if err != nil {
		t.Fatalf("%s: %v in %s", td.Pos, err, td.Input)
	}
	return []byte(text)
}

func reasonOf(t testing.TB, err error) string {
	if err == nil {
		return ""
	}
	var e *ingest.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	return e.Reason
}

// A payload that ends too early is broken at its end, at whichever byte that is.
func TestDecodeTruncatedAtEveryByte(t *testing.T) {
	d := NewDecoder(ingest.BuiltinCatalogue())
	for _, whole := range []string{
		typicalEvent, longDigits,
		`{"type":"vehicle","vin":"V1","time":1772352930250,"profile":{"model":"E5","plate":"沪A12345","dates":{"insurance":"2026-11-02"},"x":[1,-2.5e3,{"y":null}]}}`,
		`{"boot":"\u00e9\ud83d\ude97","signals":{"dtcs":["P0301","\\"],"mil":false},"type":"telemetry"}`,
	} {
		var ev ingest.Event
		if err := d.Decode([]byte(whole), &ev); err != nil {
			t.Fatalf("%s: %v", whole, err)
		}
		for n := range len(whole) {
			want := ingest.ReasonSyntax
			if n == 0 {
				want = ingest.ReasonEmpty
			}
			err := d.Decode([]byte(whole[:n]), &ev)
			// Cut inside a character or a pair of surrogates the text is broken before it ends.
			if got := reasonOf(t, err); got != want && got != ingest.ReasonUTF8 {
				t.Errorf("cut at %d of %s: %v", n, whole, err)
			}
		}
	}
}

func TestDecodeRefusesDeepNesting(t *testing.T) {
	d, ev := NewDecoder(ingest.BuiltinCatalogue()), new(ingest.Event)
	nested := func(n int, open, end string) []byte {
		return []byte(`{"type":"telemetry","x":` + strings.Repeat(open, n) + "1" + strings.Repeat(end, n) + `}`)
	}
	for _, c := range []struct{ open, end string }{{"[", "]"}, {`{"a":`, "}"}} {
		if err := d.Decode(nested(ingest.MaxDepth-1, c.open, c.end), ev); err != nil {
			t.Errorf("%d deep: %v", ingest.MaxDepth, err)
		}
		for _, n := range []int{ingest.MaxDepth, 100_000} {
			if err := d.Decode(nested(n, c.open, c.end), ev); reasonOf(t, err) != ingest.ReasonDepth {
				t.Errorf("%d deep: %v", n, err)
			}
		}
	}
	if err := d.Decode(bytes.Repeat([]byte("["), 100_000), ev); reasonOf(t, err) != ingest.ReasonDepth {
		t.Errorf("100,000 brackets: %v", err)
	}
}

func TestDecodeRefusesOversize(t *testing.T) {
	d, ev := NewDecoder(ingest.BuiltinCatalogue()), new(ingest.Event)
	for _, size := range []int{ingest.MaxPayload + 1, 10 << 20} {
		p := append([]byte(typicalEvent), bytes.Repeat([]byte(" "), size-len(typicalEvent))...)
		if err := d.Decode(p, ev); reasonOf(t, err) != ingest.ReasonOversize {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := d.Decode(p[:ingest.MaxPayload], ev); err != nil {
			t.Errorf("%d bytes: %v", ingest.MaxPayload, err)
		}
	}
}

// Many members are as strict as few, and take no more than their share of time.
func TestDecodeManyUnknownMembers(t *testing.T) {
	d, ev := NewDecoder(ingest.BuiltinCatalogue()), new(ingest.Event)
	object := func(n int, last string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`"k` + strconv.Itoa(i) + `":0,`)
		}
		return "{" + b.String() + `"` + last + `":0}`
	}
	for _, n := range []int{1, fewNames - 1, fewNames, fewNames + 1, 80_000} {
		for _, last := range []string{"k0", "k" + strconv.Itoa(n-1), "other"} {
			want := ingest.ReasonDuplicateKey
			if last == "other" {
				want = ""
			}
			for _, p := range []string{
				`{"type":"telemetry","x":` + object(n, last) + `}`,
				`{"type":"telemetry","signals":` + object(n, last) + `}`,
				`{"type":"telemetry",` + object(n, last)[1:],
				`{"type":"service",` + object(n, last)[1:],
			} {
				err := d.Decode([]byte(p), ev)
				if got := reasonOf(t, err); got != want {
					t.Errorf("%d members and %s: %v", n, last, err)
				}
				if got := ev.UnknownFields + ev.UnknownSignals; err == nil && got != n+1 && got != 1 {
					t.Errorf("%d members: %d unknown", n+1, got)
				}
			}
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	d, ev := NewDecoder(ingest.BuiltinCatalogue()), new(ingest.Event)
	for _, p := range []string{
		typicalEvent, longDigits,
		`{"signals":{"odometer":1,"dtcs":["P\u0030301"]},"vin":"V1","boot":"b-17","a name of more than thirty-two bytes":{"a":[1,2,{"b":"\n"}]},"type":"telemetry"}`,
		`{"type":"telemetry","signals":{"speed":6553.5,"odometer":7,"unknown":true,"soc":null}}`,
	} {
		payload := []byte(p)
		if n := testing.AllocsPerRun(100, func() {
			if err := d.Decode(payload, ev); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations for %s", n, p)
		}
	}
}

// An Event says nothing of the payload before it.
func TestDecodeForgetsTheEventBefore(t *testing.T) {
	d, ev := NewDecoder(ingest.BuiltinCatalogue()), new(ingest.Event)
	for _, p := range []string{
		longDigits,
		`{"type":"service","vin":"V1","time":0,"items":["engine-oil"],"odometer":-1,"x":1}`,
		`{"type":"telemetry","seq":1,"boot":2,"signals":{"x":1,"soc":null,"speed":-1,"mil":true}}`,
	} {
		if err := d.Decode([]byte(p), ev); err != nil {
			t.Fatal(err)
		}
		if err := d.Decode([]byte(`{"type":"telemetry"}`), ev); err != nil {
			t.Fatal(err)
		}
		if ev.Key != nil || ev.HasTime || ev.HasSeq || ev.Boot != 0 || ev.Service != nil || len(ev.Samples)+len(ev.Sets) != 0 ||
			ev.UnknownFields+ev.UnknownSignals+ev.Nulls+ev.OutOfRange != 0 {
			t.Errorf("after %s: %+v", p, ev)
		}
	}
}
