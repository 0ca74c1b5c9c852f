package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/milepost-io/milepost/rules/cond"
	"github.com/milepost-io/milepost/rules/plan"
)

// profile is a vehicle's merged profile.
type profile struct{ members map[string]any }

// parseProfile reads a stored profile; nothing stored is an empty one.
func parseProfile(doc []byte) (*profile, error) {
	p := &profile{members: map[string]any{}}
	if len(doc) == 0 {
		return p, nil
	}
	m, err := parseObject(doc)
	if err != nil {
		return nil, fmt.Errorf("stored profile: %w", err)
	}
	p.members = m
	return p, nil
}

// parseObject reads a JSON object, numbers as they are written.
func parseObject(b []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	return m, nil
}

// merge applies a JSON Merge Patch (RFC 7396).
func merge(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	names := make([]string, 0, len(patch))
	for name := range patch {
		names = append(names, name)
	}
	slices.Sort(names) // no map order (E2), though none could be seen here
	for _, name := range names {
		switch value := patch[name].(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			inner, _ := target[name].(map[string]any)
			target[name] = merge(inner, value)
		default:
			target[name] = value
		}
	}
	return target
}

// encode is the profile as canonical JSON: members in byte order, no white space.
func (p *profile) encode() []byte {
	b, err := json.Marshal(p.members)
	if err != nil {
		panic(err) // what was decoded from JSON always encodes
	}
	return b
}

// at follows a dotted path.
func (p *profile) at(path string) any {
	var v any = p.members
	for _, name := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// text is a member that is text, else "".
func (p *profile) text(path string) string {
	s, _ := p.at(path).(string)
	return s
}

// raw is a member as JSON, nil when absent.
func (p *profile) raw(path string) json.RawMessage {
	v := p.at(path)
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // what was decoded from JSON always encodes
	}
	return b
}

// fact is a member as conditions see it.
func (p *profile) fact(path string) (kind cond.FactKind, num float64, str string) {
	switch v := p.at(path).(type) {
	case nil:
		return cond.Absent, 0, ""
	case string:
		return cond.String, 0, v
	case bool:
		if v {
			return cond.Bool, 1, ""
		}
		return cond.Bool, 0, ""
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return cond.Number, f, ""
		}
	}
	return cond.Other, 0, ""
}

// inService is the day of in_service.
func (p *profile) inService() plan.Day {
	s := p.text("in_service")
	d, ok := plan.ParseDay(s[:min(len(s), 10)])
	if !ok {
		return plan.NoDay
	}
	return d
}

// zones are the time zones met so far, by key.
type zones map[uint64]plan.Zone

// zoneKey names a zone in documents.
func zoneKey(name string) uint64 { return hash64("zone", name) }

// load returns the key of a zone, loading it on first sight; ok is false when there is no such zone.
func (z zones) load(name string) (key uint64, ok bool) {
	key = zoneKey(name)
	if _, known := z[key]; known {
		return key, true
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return 0, false
	}
	z[key] = plan.InZone(loc)
	return key, true
}
