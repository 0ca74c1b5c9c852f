package ingest

import "github.com/go-json-experiment/json/jsontext"

// VehicleEvent changes a vehicle's profile.
type VehicleEvent struct {
	// Profile is a JSON Merge Patch (RFC 7396) in JSON text: an object without duplicate keys; null removes
	// a member (S8). Its members are facts of any name and type; those the engine itself reads have been
	// checked: timezone (known), in_service and dates (calendar dates), owner and dealer (ids), plan,
	// language and plate (strings), consent (booleans), channels (strings).
	Profile jsontext.Value
}

// PartyEvent is the record of an owner or a dealer; Event.Key is its id. Absent fields are empty.
type PartyEvent struct {
	Role     string // "owner" or "dealer"
	Name     string
	Language string
	Timezone string // IANA name, known
	Consent  Consent
	// Channels is an object of strings in JSON text ({"app":"u-9912"}); empty when absent.
	Channels jsontext.Value
	// Hours is an object of strings in JSON text ({"mon-sat":"08:30-18:00"}); empty when absent.
	Hours    jsontext.Value
	Manager  string
	Advisors []string
}

// Consent is what a party agreed to; nil where it was not asked (S45).
type Consent struct {
	Service   *bool `json:"service"`
	Marketing *bool `json:"marketing"`
}

// ServiceEvent is a workshop visit (S33); its time is Event.Time.
type ServiceEvent struct {
	// Odometer in km and EngineHours in h; nil: absent, or outside the signal's range (counted).
	Odometer    *float64
	EngineHours *float64
	Items       []string
	Codes       []string // the workshop's own operation codes
	Declined    []string
	Dealer      string
	Order       string
	// Reset is set when the workshop replaced the instrument (S24).
	Reset *OdometerReset
	// Void withdraws the record with the same dealer and order (S36).
	Void bool
}

// OdometerReset are the readings before and after the instrument was replaced, in km.
type OdometerReset struct {
	From, To float64
}

// FeedbackEvent is a reaction of an owner, an advisor or a system.
type FeedbackEvent struct {
	About  string // the alert or lead
	By     string // "owner", "advisor:NAME", "system", or empty
	Action string // one that FeedbackAction knows
	// Until in Unix milliseconds (a plain date: its start in UTC); 0: absent.
	Until int64
	Note  string
	// Odometer in km, for the action "odometer"; nil: absent.
	Odometer *float64
}

// FeedbackAction reports whether action is one a FeedbackEvent may name.
func FeedbackAction(action string) bool {
	switch action {
	case "delivered", "opened", "dismissed", "not_useful", "snoozed", "already_done", "sold", "unsubscribed",
		"odometer", "booked", "claimed", "contacted", "no_answer", "wrong_number", "call_back", "will_think",
		"declined", "visited", "closed":
		return true
	}
	return false
}
