package json

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/milepost-io/milepost/ingest"
)

// seed adds every payload of testdata/decode.
func seed(f *testing.F) {
	files, err := filepath.Glob("testdata/decode/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range strings.Split(string(content), "\n\n") {
			input, _, _ := strings.Cut(c, "\n----")
			if _, text, ok := strings.Cut(input, "decode\n"); ok {
				f.Add([]byte(text))
			} else if _, quoted, ok := strings.Cut(input, "quoted\n"); ok {
				text, err := strconv.Unquote(quoted)
				if err != nil {
					f.Fatal(err)
				}
				f.Add([]byte(text))
			}
		}
	}
}

// FuzzDecode holds the scanner to a strict library: they agree on what is JSON, and what is telemetry
// has the samples, codes and counts that a naive reading of the library's values finds.
func FuzzDecode(f *testing.F) {
	seed(f)
	f.Add([]byte(typicalEvent))
	f.Add([]byte(longDigits))
	d := NewDecoder(ingest.BuiltinCatalogue())
	f.Fuzz(func(t *testing.T, p []byte) {
		before := string(p)
		ev := new(ingest.Event)
		err := d.Decode(p, ev)
		if string(p) != before {
			t.Fatalf("Decode changed its input to %q", p)
		}
		reason := reasonOf(t, err)
		switch reason {
		case ingest.ReasonDepth, ingest.ReasonOversize:
			return // bounds the library does not share
		case ingest.ReasonSyntax, ingest.ReasonUTF8, ingest.ReasonDuplicateKey, ingest.ReasonEmpty:
			if jsontext.Value(p).IsValid() {
				t.Fatalf("%q is JSON, but: %v", p, err)
			}
			return
		}
		if !jsontext.Value(p).IsValid() {
			t.Fatalf("%q is not JSON, but: %v", p, err)
		}
		if want := naive(t, p); want != nil {
			if got := found(d, ev, reason); !reflect.DeepEqual(got, *want) {
				t.Fatalf("%q\n got %+v\nwant %+v", p, got, *want)
			}
		}
		checkHead(t, p, ev, reason)
	})
}

// telemetry is what an event says, in a form that compares.
type telemetry struct {
	Reason  string
	Key     string
	Samples map[string]float64
	Sets    map[string][]string
	Counts  [4]int // unknown signals, nulls, out of range, unknown fields
}

func found(d *Decoder, ev *ingest.Event, reason string) telemetry {
	if reason != "" {
		return telemetry{Reason: reason}
	}
	t := telemetry{Key: string(ev.Key), Samples: map[string]float64{}, Sets: map[string][]string{},
		Counts: [4]int{ev.UnknownSignals, ev.Nulls, ev.OutOfRange, ev.UnknownFields}}
	for _, s := range ev.Samples {
		t.Samples[d.cat.Signal(s.Signal).Name] = s.V
	}
	for _, s := range ev.Sets {
		codes := []string{}
		for _, c := range s.Codes {
			codes = append(codes, string(c))
		}
		t.Sets[d.cat.Signal(s.Signal).Name] = codes
	}
	return t
}

// naive reads telemetry by the library, a map and no thought of speed. It is nil where the reason for
// which a record is refused depends on which mistake comes first, and for what is no telemetry.
func naive(t *testing.T, p []byte) *telemetry {
	var top map[string]jsontext.Value
	if json.Unmarshal(p, &top) != nil || top == nil || textOf(top["type"]) != "telemetry" {
		return nil
	}
	out := &telemetry{Samples: map[string]float64{}, Sets: map[string][]string{}}
	mistakes := map[string]bool{}
	for name, v := range top {
		switch name {
		case "type":
		case "vin":
			if out.Key = textOf(v); v.Kind() != 'n' && !ingest.ValidKey([]byte(out.Key)) {
				mistakes[ingest.ReasonVIN] = true
			}
		case "time", "seq", "boot":
			return nil // compared by the tables
		case "signals":
			out.naiveSignals(v, mistakes)
		default:
			out.Counts[3]++
		}
	}
	switch reasons := slices.Sorted(maps.Keys(mistakes)); {
	case len(reasons) > 1:
		return nil
	case len(reasons) == 1:
		return &telemetry{Reason: reasons[0]}
	case out.Counts[2] > 0 && len(out.Samples)+len(out.Sets) == 0:
		return &telemetry{Reason: ingest.ReasonRange}
	}
	return out
}

func (out *telemetry) naiveSignals(v jsontext.Value, mistakes map[string]bool) {
	cat := ingest.BuiltinCatalogue()
	var signals map[string]jsontext.Value
	if json.Unmarshal(v, &signals) != nil {
		mistakes[ingest.ReasonValue] = true
		return
	}
	for name, v := range signals {
		x, ok := cat.Index(name)
		switch {
		case !ok:
			out.Counts[0]++
		case v.Kind() == 'n':
			out.Counts[1]++
		default:
			out.naiveSample(cat.Signal(x), v, mistakes)
		}
	}
}

func (out *telemetry) naiveSample(s *ingest.Signal, v jsontext.Value, mistakes map[string]bool) {
	k := v.Kind()
	switch {
	case s.Kind == ingest.Number && k == '0':
		n, err := strconv.ParseFloat(string(v), 64)
		switch {
		case err != nil:
			mistakes[ingest.ReasonRange] = true
		case !s.InRange(n):
			out.Counts[2]++
		default:
			out.Samples[s.Name] = n + 0
		}
	case s.Kind == ingest.Bool && (k == 't' || k == 'f'):
		out.Samples[s.Name] = map[jsontext.Kind]float64{'t': 1, 'f': 0}[k]
	case s.Kind == ingest.CodeSet && k == '[':
		var codes []*string
		if json.Unmarshal(v, &codes) != nil || slices.Contains(codes, nil) {
			mistakes[ingest.ReasonValue] = true
			return
		}
		list, fits := []string{}, len(codes) <= MaxCodes
		for _, c := range codes {
			fits = fits && *c != "" && len(*c) <= MaxCode
			list = append(list, *c)
		}
		if fits {
			out.Sets[s.Name] = list
		} else {
			out.Counts[2]++
		}
	default:
		mistakes[ingest.ReasonValue] = true
	}
}

func textOf(v jsontext.Value) string {
	var s string
	if json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// checkHead: the head of an event says what the event says.
func checkHead(t *testing.T, p []byte, ev *ingest.Event, reason string) {
	h, err := new(HeadReader).Read(p)
	if r := reasonOf(t, err); r != "" && r != ingest.ReasonTime {
		t.Fatalf("%q decodes with %q, but its head: %v", p, reason, err)
	}
	if h.Type != ev.Type {
		t.Fatalf("%q: head has type %v, event %v", p, h.Type, ev.Type)
	}
	if reason == "" && (string(h.Key) != string(ev.Key) || h.Party != ev.Party || h.HasTime != ev.HasTime || h.Time != ev.Time) {
		t.Fatalf("%q: head %+v, event %+v", p, h, ev)
	}
}

// FuzzSplit: what the library reads as an array splits into its elements, unless they are nested too
// deep; and entries that are all JSON were an array of JSON.
func FuzzSplit(f *testing.F) {
	seed(f)
	f.Add([]byte(`[{"type":"telemetry","vin":"V1"}, {"type":"service","vin":"V2"} ,{"x":"]},[\""}]`))
	f.Add([]byte("[" + typicalEvent + ",\n" + longDigits + "]"))
	f.Fuzz(func(t *testing.T, p []byte) {
		var got []string
		allJSON := true
		err := Split(p, func(e Entry) error {
			got = append(got, string(e.Payload))
			allJSON = allJSON && jsontext.Value(e.Payload).IsValid()
			return nil
		})
		if err != nil && got != nil {
			t.Fatalf("%q yielded %q before it failed: %v", p, got, err)
		}
		if !IsBatch(p) {
			return
		}
		var want []jsontext.Value
		valid := json.Unmarshal(p, &want) == nil
		switch {
		case err == nil && allJSON != valid:
			t.Fatalf("%q: entries are JSON: %v, array is: %v", p, allJSON, valid)
		case err != nil && valid && len(want) > 0 && reasonOf(t, err) != ingest.ReasonDepth:
			t.Fatalf("%q does not split: %v", p, err)
		case err == nil && valid:
			for i := range want {
				if i >= len(got) || got[i] != string(want[i]) {
					t.Fatalf("%q split into %q, want %q", p, got, want)
				}
			}
		}
	})
}

// FuzzCutArrival: without the bytes a head names, the line is the same object without `arrival`.
func FuzzCutArrival(f *testing.F) {
	seed(f)
	for _, line := range []string{`{"arrival":1}`, `{"arrival":1,"a":2}`, `{"a":2 , "arrival" : 1 }`, `{"a":2,"arrival":"2026-03-01T08:15:30Z","b":3}`, `{ "arrival":null , "a":1}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		h, err := new(HeadReader).Read(p)
		if err != nil {
			return
		}
		var want, got map[string]any
		if json.Unmarshal(p, &want) != nil {
			return // numbers no double holds
		}
		delete(want, "arrival")
		rest := slices.Concat(p[:h.CutFrom], p[h.CutTo:])
		if err := json.Unmarshal(rest, &got); err != nil {
			t.Fatalf("%q without arrival is %q: %v", p, rest, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q without arrival is %q", p, rest)
		}
	})
}
