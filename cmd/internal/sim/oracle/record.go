package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"sort"
	"time"
	"unicode/utf8"
)

// record is one input line: an event, or what is wrong with it.
type record struct {
	kind     string // telemetry, vehicle, party, service, feedback
	key      string // VIN or party id
	arrival  int64
	time     int64
	hasTime  bool
	bytes    string // the line without arrival (S5)
	seq      int64
	hasSeq   bool
	boot     string
	samples  map[string]any // known signals in range
	dropped  int            // known signals out of range
	profile  map[string]any
	fields   map[string]any
	order    int
	bad      string // why it is quarantined (S6)
	explicit bool   // the line has its own arrival
}

var keyForm = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// read decodes the lines and stamps their arrivals (S1).
func read(lines []string, catalogue map[string]signal) []*record {
	out := make([]*record, len(lines))
	for i, line := range lines {
		out[i] = decode(line, catalogue)
		out[i].order = i
	}
	stampArrivals(out)
	return out
}

// stampArrivals is S1: a line's own arrival, else the running maximum of the telemetry's times.
func stampArrivals(all []*record) {
	const none = math.MinInt64
	clock, first := int64(none), int64(none)
	for _, r := range all {
		if r.kind == "telemetry" && r.hasTime && !r.explicit && r.time >= year2015 {
			first = r.time
			break
		}
	}
	for _, r := range all {
		switch {
		case r.explicit:
			clock = max(clock, r.arrival)
		case r.kind == "telemetry" && r.hasTime && r.time >= year2015 && (clock == none || r.time <= clock+400*day):
			clock = max(clock, r.time)
		case clock == none && first != none:
			clock = first
		case first == none && r.hasTime:
			clock = max(clock, r.time)
		}
		if r.arrival = clock; clock == none {
			r.arrival = 0
		}
	}
}

var year2015 = time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// decode reads one line; whatever is wrong ends up in bad, not in an error (S6).
func decode(line string, catalogue map[string]signal) *record {
	r := &record{bytes: line}
	tree, arrival, err := parseObject(line)
	if err != nil {
		r.bad = "syntax: " + err.Error()
		if arrival != nil {
			r.arrival, r.explicit = parseTime(arrival)
		}
		return r
	}
	if arrival != nil {
		r.arrival, r.explicit = parseTime(arrival)
		r.bytes = withoutArrival(line)
	}
	r.fields = tree
	r.kind, _ = tree["type"].(string)
	if t := tree["time"]; t != nil {
		if r.time, r.hasTime = parseTime(t); !r.hasTime {
			r.bad = "time"
		}
	}
	id := "vin"
	if r.kind == "party" {
		id = "id"
	}
	r.key, _ = tree[id].(string)
	if !keyForm.MatchString(r.key) {
		r.bad = "vin"
		return r
	}
	switch r.kind {
	case "telemetry":
		r.decodeTelemetry(catalogue)
	case "vehicle":
		r.decodeVehicle()
	case "service":
		r.decodeService()
	case "erase":
	case "party", "feedback":
		if z, ok := tree["timezone"].(string); ok && !knownZone(z) {
			r.bad = "timezone"
		}
		if !stringOrAbsent(tree["name"]) || !stringOrAbsent(tree["role"]) {
			r.bad = "type"
		}
		if c := tree["consent"]; c != nil && !consentForm(c) {
			r.bad = "type"
		}
	default:
		r.bad = "type"
	}
	return r
}

func stringOrAbsent(x any) bool { _, ok := x.(string); return ok || x == nil }

func consentForm(x any) bool {
	m, ok := x.(map[string]any)
	if !ok {
		return false
	}
	for _, k := range []string{"service", "marketing"} {
		if _, ok := m[k].(bool); m[k] != nil && !ok {
			return false
		}
	}
	return true
}

// decodeTelemetry is S6 for samples: a value out of range or a sentinel drops the sample, and if that leaves none,
// the record is bad; an unknown signal neither fills nor empties a record.
func (r *record) decodeTelemetry(catalogue map[string]signal) {
	r.samples = map[string]any{}
	if s := r.fields["seq"]; s != nil {
		n, ok := s.(float64)
		if !ok || n != math.Trunc(n) || n < 0 {
			r.bad = "type"
			return
		}
		r.seq, r.hasSeq = int64(n), true
	}
	switch b := r.fields["boot"].(type) {
	case nil:
	case string:
		r.boot = b
	case float64:
		bytes, _ := json.Marshal(b)
		r.boot = "#" + string(bytes)
	default:
		r.bad = "type"
		return
	}
	signals, ok := r.fields["signals"].(map[string]any)
	if !ok && r.fields["signals"] != nil {
		r.bad = "type"
		return
	}
	for name, x := range signals {
		s, known := catalogue[name]
		if !known || x == nil {
			continue
		}
		value, valid, form := s.sample(x)
		if !form {
			r.bad = "type"
			return
		}
		if valid {
			r.samples[name] = value
		} else {
			r.dropped++
		}
	}
	if len(r.samples) == 0 && r.dropped > 0 {
		r.bad = "range"
	}
}

// sample checks one value: form is false for another JSON type, valid is false out of range.
func (s signal) sample(x any) (value any, valid, form bool) {
	switch s.Kind {
	case "number":
		n, ok := x.(float64)
		if !ok {
			return nil, false, false
		}
		for _, no := range s.Sentinels {
			if n == no {
				return nil, false, true
			}
		}
		return n, len(s.Range) < 2 || s.Range[0] <= n && n <= s.Range[1], true
	case "bool":
		b, ok := x.(bool)
		return b, true, ok
	}
	list, ok := x.([]any)
	if !ok {
		return nil, false, false
	}
	set := []string{}
	for _, e := range list {
		name, ok := e.(string)
		if !ok {
			return nil, false, false
		}
		set = append(set, name)
	}
	return sortedSet(set), true, true
}

func (r *record) decodeVehicle() {
	profile, ok := r.fields["profile"].(map[string]any)
	if !ok {
		r.bad = "type"
		return
	}
	r.profile = profile
	for _, k := range []string{"model", "powertrain", "line", "plate", "dealer", "owner", "plan", "timezone", "in_service"} {
		if !stringOrAbsent(profile[k]) {
			r.bad = "type"
			return
		}
	}
	if z, ok := profile["timezone"].(string); ok && !knownZone(z) {
		r.bad = "timezone" // S8
	}
	if c := profile["consent"]; c != nil && !consentForm(c) {
		r.bad = "type"
	}
}

func (r *record) decodeService() {
	for _, k := range []string{"odometer", "engine_hours"} {
		n, ok := r.fields[k].(float64)
		if r.fields[k] != nil && !ok {
			r.bad = "type"
		} else if n < 0 {
			r.bad = "range"
		}
	}
	for _, k := range []string{"items", "codes", "declined"} {
		if r.fields[k] == nil {
			continue
		}
		list, ok := r.fields[k].([]any)
		if !ok {
			r.bad = "type"
		}
		for _, x := range list {
			if _, ok := x.(string); !ok {
				r.bad = "type"
			}
		}
	}
}

func (r *record) strings(field string) []string {
	list, _ := r.fields[field].([]any)
	var out []string
	for _, x := range list {
		out = append(out, x.(string))
	}
	return out
}

func knownZone(name string) bool {
	if name == "" || name == "Local" {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

// parseTime reads RFC 3339 or Unix milliseconds.
func parseTime(x any) (int64, bool) {
	switch t := x.(type) {
	case float64:
		return int64(t), t == math.Trunc(t)
	case string:
		at, err := time.Parse(time.RFC3339Nano, t)
		if err != nil {
			return 0, false
		}
		return int64(math.Floor(float64(at.UnixNano()) / 1e6)), true
	}
	return 0, false
}

// parseObject reads a JSON object strictly: nothing after it, no member twice, valid UTF-8. arrival is taken out.
func parseObject(line string) (tree map[string]any, arrival any, err error) {
	if !utf8.ValidString(line) {
		return nil, nil, errors.New("utf8")
	}
	d := json.NewDecoder(bytes.NewReader([]byte(line)))
	x, err := parseValue(d)
	if err != nil {
		return nil, nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, nil, errors.New("trailing text")
	}
	m, ok := x.(map[string]any)
	if !ok {
		return nil, nil, errors.New("not an object")
	}
	arrival = m["arrival"]
	delete(m, "arrival")
	return m, arrival, nil
}

func parseValue(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			x, err := parseValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, x)
		}
		_, err := d.Token()
		return list, err
	}
	m := map[string]any{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		if _, twice := m[key.(string)]; twice {
			return nil, errors.New("member twice")
		}
		if m[key.(string)], err = parseValue(d); err != nil {
			return nil, err
		}
	}
	_, err = d.Token()
	return m, err
}

var arrivalMember = regexp.MustCompile(`^(\{)\s*"arrival"\s*:\s*("[^"]*"|[0-9]+)\s*,|,\s*"arrival"\s*:\s*("[^"]*"|[0-9]+)`)

// withoutArrival cuts the arrival member out of the line's bytes.
func withoutArrival(line string) string { return arrivalMember.ReplaceAllString(line, "$1") }

// mergePatch is RFC 7396 (S8). It makes a new tree.
func mergePatch(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if t, ok := target.(map[string]any); ok {
		for k, v := range t {
			out[k] = v
		}
	}
	for k, v := range p {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = mergePatch(out[k], v)
		}
	}
	return out
}

func sortedSet(set []string) []string {
	sort.Strings(set)
	return slices.Compact(set)
}
