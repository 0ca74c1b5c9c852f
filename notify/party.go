package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
)

// party is the record of an owner or a dealer: the document of its key without a sub. Every party event
// changes the fields it names and leaves the others, so that a refusal of consent is not lost to an event
// that speaks of the language.
type party struct {
	Version   int             `json:"v"`
	Role      string          `json:"role,omitempty"`
	Name      string          `json:"name,omitempty"`
	Language  string          `json:"language,omitempty"`
	Timezone  string          `json:"timezone,omitempty"`
	Service   *bool           `json:"consent_service,omitempty"`
	Marketing *bool           `json:"consent_marketing,omitempty"`
	Channels  json.RawMessage `json:"channels,omitempty"`
	Hours     json.RawMessage `json:"hours,omitempty"`
	Manager   string          `json:"manager,omitempty"`
	Advisors  []string        `json:"advisors,omitempty"`
	// Profile is what the last profile that names the owner says of him: it holds where he says nothing
	// himself (S46).
	Profile *contact `json:"profile,omitempty"`
	// Seen are fingerprints of the last payloads that carried a time, newest last (S5).
	Seen []uint64 `json:"seen,omitempty"`
}

// contact is how to reach an owner according to a vehicle's profile.
type contact struct {
	At       int64           `json:"at"` // of the profile's last change
	Name     string          `json:"name,omitempty"`
	Language string          `json:"language,omitempty"`
	Consent  json.RawMessage `json:"consent,omitempty"`
	Channels json.RawMessage `json:"channels,omitempty"`
}

// seenKept is how many payloads of a type are remembered (S5).
const seenKept = 8

func loadParty(doc []byte) *party {
	p := &party{Version: 1}
	if doc != nil {
		if err := decode(doc, p); err != nil {
			panic(fmt.Sprintf("notify: read a party's document: %v", err)) // E17
		}
	}
	if p.Profile == nil {
		p.Profile = new(contact)
	}
	return p
}

// partyEvent applies an event about the party itself.
func (s *Step) partyEvent(c *state.Context, in *state.Input) {
	if in.Types == 0 {
		e := ingest.RefuseUntyped(in.Source, in.Topic, in.Codec)
		c.Quarantine(e.Reason, e.Detail, e.Offset)
		return
	}
	if in.Oversize {
		c.Quarantine(ingest.ReasonOversize, fmt.Sprintf("payload over %d bytes", ingest.MaxPayload), -1)
		return
	}
	ev := &s.event
	if err := s.opt.Decoder.Decode(in.Payload, ev); err != nil {
		var e *ingest.Error
		if !errors.As(err, &e) {
			e = &ingest.Error{Reason: ingest.ReasonSyntax, Detail: err.Error(), Offset: -1}
		}
		detail := e.Detail
		if e.Field != "" {
			detail = e.Field + ": " + detail
		}
		c.Quarantine(e.Reason, detail, e.Offset)
		return
	}
	switch {
	case ev.Type != ingest.Party || ev.PartyRecord == nil:
		c.Quarantine(ingest.ReasonType, fmt.Sprintf("event type %s under a party's key (expected party)", ev.Type), -1)
		return
	case !ingest.Types(in.Types).Has(ingest.Party):
		c.Quarantine(ingest.ReasonNotAllowed, "the source may not carry party events", -1)
		return
	case !ingest.ValidKey(c.Key()) || len(ev.Key) > 0 && string(ev.Key) != string(c.Key()):
		c.Quarantine(ingest.ReasonVIN, fmt.Sprintf("id %q where the key is %q", ev.Key, c.Key()), -1)
		return
	}
	p := loadParty(c.View(nil))
	if ev.HasTime {
		f := ingest.Fingerprint(in.Payload)
		if slices.Contains(p.Seen, f) {
			c.Outcome(state.Duplicate)
			return
		}
		p.Seen = append(p.Seen, f)
		if n := len(p.Seen) - seenKept; n > 0 {
			p.Seen = slices.Delete(p.Seen, 0, n)
		}
	}
	p.merge(ev.PartyRecord)
	p.save(c)
	c.Outcome(state.Applied)
	if ev.UnknownFields > 0 {
		c.Count("unknown_fields", "party", ev.UnknownFields)
	}
}

func (p *party) save(c *state.Context) { c.Put(nil, row(p)) }

// merge takes over the fields the event names.
func (p *party) merge(e *ingest.PartyEvent) {
	set := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	set(&p.Role, e.Role)
	set(&p.Name, e.Name)
	set(&p.Language, e.Language)
	set(&p.Timezone, e.Timezone)
	set(&p.Manager, e.Manager)
	if e.Consent.Service != nil {
		p.Service = new(*e.Consent.Service)
	}
	if e.Consent.Marketing != nil {
		p.Marketing = new(*e.Consent.Marketing)
	}
	if len(e.Channels) > 0 {
		p.Channels = slices.Clone(json.RawMessage(e.Channels))
	}
	if len(e.Hours) > 0 {
		p.Hours = slices.Clone(json.RawMessage(e.Hours))
	}
	if len(e.Advisors) > 0 {
		p.Advisors = slices.Clone(e.Advisors)
	}
}

// learnContact takes over what a profile that has just changed says of its owner, unless another vehicle's
// profile is newer (S46). Of two at one moment the later record wins, and as nothing but a changed profile
// is learned from, it stays.
func (t *turn) learnContact(n *rules.Notice) {
	f := &t.v.Facts
	if !n.Contact || f.Owner == "" || f.ContactAt < t.owner.Profile.At {
		return
	}
	c := contact{At: f.ContactAt, Name: f.Name, Language: f.Language, Consent: f.Consent, Channels: f.Channels}
	if reflect.DeepEqual(&c, t.owner.Profile) {
		return
	}
	t.owner.Profile = &c
	t.owner.save(t.c)
}

// consents reports whether the owner may be told of service: what he said himself, else what the last
// profile that names him says, else the policy (S45, S46).
func (t *turn) consents() bool {
	if t.owner.Service != nil {
		return *t.owner.Service
	}
	var c ingest.Consent
	if raw := t.owner.Profile.Consent; len(raw) > 0 && json.Unmarshal(raw, &c) == nil && c.Service != nil {
		return *c.Service
	}
	return t.s.policy.ConsentGranted
}

// name and language are the owner's.
func (t *turn) name() string { return firstOf(t.owner.Name, t.owner.Profile.Name) }

func (t *turn) language() string { return firstOf(t.owner.Language, t.owner.Profile.Language, "en") }

// phone is the number a dealer may call, "" when there is none.
func (t *turn) phone() string {
	raw := t.owner.Channels
	if len(raw) == 0 {
		raw = t.owner.Profile.Channels
	}
	var ch struct {
		Phone string `json:"phone"`
		SMS   string `json:"sms"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &ch) != nil {
		return ""
	}
	return firstOf(ch.Phone, ch.SMS)
}

func firstOf(s ...string) string {
	for _, x := range s {
		if x != "" {
			return x
		}
	}
	return ""
}
