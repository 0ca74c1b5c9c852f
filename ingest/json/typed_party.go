package json

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/milepost-io/milepost/ingest"
)

// party decodes the record of an owner or a dealer.
func (d *Decoder) party() *ingest.PartyEvent {
	var w struct {
		Role     string         `json:"role"`
		Name     string         `json:"name"`
		Language string         `json:"language"`
		Timezone *string        `json:"timezone"`
		Consent  ingest.Consent `json:"consent"`
		Channels jsontext.Value `json:"channels"`
		Hours    jsontext.Value `json:"hours"`
		Manager  string         `json:"manager"`
		Advisors []string       `json:"advisors"`
	}
	if !d.unmarshal(&w) {
		return nil
	}
	p := &ingest.PartyEvent{Role: w.Role, Name: w.Name, Language: w.Language, Consent: w.Consent,
		Manager: w.Manager, Advisors: w.Advisors}
	if w.Role != "" && w.Role != "owner" && w.Role != "dealer" {
		d.refuse(ingest.ReasonValue, "role", -1, fmt.Sprintf("found %q, expected owner or dealer", clip([]byte(w.Role))))
	}
	if w.Timezone != nil {
		p.Timezone = *w.Timezone
		d.zone("timezone", p.Timezone)
	}
	d.words("advisors", w.Advisors)
	p.Channels = d.texts("channels", w.Channels)
	p.Hours = d.texts("hours", w.Hours)
	return p
}

// texts checks an object of strings and returns its JSON text; absent and null are empty.
func (d *Decoder) texts(field string, v jsontext.Value) jsontext.Value {
	if len(v) == 0 || v.Kind() == 'n' {
		return nil
	}
	var object map[string]*string
	if err := json.Unmarshal(v, &object); err != nil {
		d.refuse(ingest.ReasonValue, field, -1, fmt.Sprintf("found %s, expected an object of strings", clip(v)))
		return nil
	}
	return v
}

// zone refuses a name that is not in the zone database (S8).
func (d *Decoder) zone(field, name string) {
	if d.zones[name] {
		return
	}
	if !ingest.KnownZone(name) {
		d.refuse(ingest.ReasonTimezone, field, -1, fmt.Sprintf("found %q, expected an IANA name like Asia/Shanghai", clip([]byte(name))))
		return
	}
	d.zones[name] = true
}

// vehicle decodes a profile patch. Its members are facts of any name and type for conditions (S10); the
// ones the engine itself reads must have their form. null removes a member (S8).
func (d *Decoder) vehicle() *ingest.VehicleEvent {
	var w struct {
		Profile jsontext.Value `json:"profile"`
	}
	if !d.unmarshal(&w) {
		return nil
	}
	if len(w.Profile) == 0 || w.Profile.Kind() != '{' {
		d.refuse(ingest.ReasonValue, "profile", -1, "expected an object")
		return nil
	}
	var facts map[string]any
	if err := json.Unmarshal(w.Profile, &facts); err != nil {
		d.refuse(ingest.ReasonRange, "profile", -1, "no double holds one of its numbers")
		return nil
	}
	d.fact(facts, "timezone", "a string", func(v string) bool { d.zone("profile.timezone", v); return true })
	d.fact(facts, "in_service", "a date yyyy-mm-dd", isDate)
	d.fact(facts, "owner", "an id", isID)
	d.fact(facts, "dealer", "an id", isID)
	for _, field := range []string{"plan", "language", "plate"} {
		d.fact(facts, field, "a string", func(string) bool { return true })
	}
	d.dates(facts)
	d.consent(facts)
	d.channels(facts)
	return &ingest.VehicleEvent{Profile: w.Profile}
}

// fact refuses a member of the profile that is neither null nor a string that ok accepts.
func (d *Decoder) fact(facts map[string]any, field, want string, ok func(string) bool) {
	v, there := facts[field]
	if !there || v == nil {
		return
	}
	if text, isText := v.(string); !isText || !ok(text) {
		d.refuseFact("profile."+field, v, want)
	}
}

func (d *Decoder) refuseFact(field string, seen any, want string) {
	text, err := json.Marshal(seen, json.Deterministic(true))
	if err != nil {
		text = []byte("what is no value") // cannot be: it was JSON
	}
	d.refuse(ingest.ReasonValue, field, -1, fmt.Sprintf("found %s, expected %s", clip(text), want))
}

// dates checks the profile's dates (insurance, …): names and calendar dates.
func (d *Decoder) dates(facts map[string]any) {
	dates, ok := d.object(facts, "dates")
	if !ok {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(dates)) {
		v := dates[name]
		if text, isText := v.(string); v != nil && (!isText || !isDate(text)) {
			d.refuseFact("profile.dates."+name, v, "a date yyyy-mm-dd")
		}
	}
}

// consent checks that what the owner agreed to is told by true and false.
func (d *Decoder) consent(facts map[string]any) {
	consent, ok := d.object(facts, "consent")
	if !ok {
		return
	}
	for _, name := range []string{"service", "marketing"} {
		v := consent[name]
		if _, isBool := v.(bool); v != nil && !isBool {
			d.refuseFact("profile.consent."+name, v, "true or false")
		}
	}
}

func (d *Decoder) channels(facts map[string]any) {
	channels, ok := d.object(facts, "channels")
	if !ok {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		v := channels[name]
		if _, isText := v.(string); v != nil && !isText {
			d.refuseFact("profile.channels."+name, v, "a string")
		}
	}
}

// object returns a member of the profile that is an object; anything else but null is refused.
func (d *Decoder) object(facts map[string]any, field string) (map[string]any, bool) {
	v, there := facts[field]
	if !there || v == nil {
		return nil, false
	}
	o, ok := v.(map[string]any)
	if !ok {
		d.refuseFact("profile."+field, v, "an object")
	}
	return o, ok
}

func isDate(s string) bool {
	_, ok := ingest.ParseDate([]byte(s))
	return ok
}

func isID(s string) bool { return ingest.ValidKey([]byte(s)) }
