package rules

import "encoding/json"

// Notice is what a vehicle's step tells the vehicle's party (its owner, or "v:<VIN>" when the profile
// names none). It carries all that a message or a lead would say, so that a party never looks a vehicle
// up. Encoded as JSON: it is made when something happens, not per event.
type Notice struct {
	VIN string `json:"vin"`
	// Kind: "events" (something happened), "facts" (only the visit or the profile changed), "released"
	// (this party is no longer the owner; without facts), "feedback" (the party or an advisor reacted),
	// KindErased (the vehicle was erased; without facts).
	Kind string `json:"kind"`
	// Contact: a vehicle event made this notice, so that nothing newer is known of the owner than what the
	// facts say (S46).
	Contact bool `json:"contact,omitempty"`
	// Events of one step in the order they leave (S7).
	Events []Event `json:"events,omitempty"`
	// Facts is the vehicle as of this step.
	Facts Facts `json:"facts"`
	// Feedback is the reaction, as it came (kind "feedback").
	Feedback json.RawMessage `json:"feedback,omitempty"`
}

// Event is one transition of an alert, a reminder, a lead or the odometer.
type Event struct {
	ID   string `json:"id"`
	Type string `json:"type"` // milepost.alert.firing, milepost.reminder.soon, milepost.lead.created, …
	// Alert names the episode (S17, S37); for leads the lead id.
	Alert string `json:"alert"`
	// Time is the event time of the cause, or the clock for a timer (S17), Unix ms.
	Time     int64  `json:"time"`
	Severity string `json:"severity,omitempty"`
	// Rule or Plan is what made it.
	Rule    string `json:"rule,omitempty"`
	Plan    string `json:"plan,omitempty"`
	Version string `json:"version,omitempty"`
	// Title and Text are by language.
	Title map[string]string `json:"title,omitempty"`
	Text  map[string]string `json:"text,omitempty"`
	// DealerText is what the dealer reads, by language.
	DealerText map[string]string `json:"dealer_text,omitempty"`
	// Items of a reminder; the level of done and cancelled is the one the item had.
	Items []ItemRef `json:"items,omitempty"`
	// ToOwner and ToDealer: whom the rule or plan wants told (S16, S42).
	ToOwner  bool `json:"to_owner,omitempty"`
	ToDealer bool `json:"to_dealer,omitempty"`
	Critical bool `json:"critical,omitempty"`
	Silent   bool `json:"silent,omitempty"`
	Late     bool `json:"late,omitempty"`
	// Reason of a resolved, cancelled or closed event.
	Reason string `json:"reason,omitempty"`
	// Lead events: causes after the step, and the dealer the event is for.
	Lead   string  `json:"lead,omitempty"`
	Causes []Cause `json:"causes,omitempty"`
	Dealer string  `json:"dealer,omitempty"`
	// Evidence: the values and times that made it.
	Evidence []Evidence `json:"evidence,omitempty"`
	// Odometer events: what was decided.
	Detail map[string]any `json:"detail,omitempty"`
}

// ItemRef is an item in a reminder.
type ItemRef struct {
	ID string `json:"id"`
	// Alert names (vehicle, item, baseline); equal for the item's soon, due, overdue, done, cancelled.
	Alert string            `json:"alert"`
	Level string            `json:"level"`
	Title map[string]string `json:"title,omitempty"`
	// Rest per dimension, nil where the dimension does not count.
	RestKM    *float64 `json:"rest_km,omitempty"`
	RestDays  *int     `json:"rest_days,omitempty"`
	RestHours *float64 `json:"rest_hours,omitempty"`
	DueKM     *float64 `json:"due_km,omitempty"`
	DueDate   string   `json:"due_date,omitempty"`
	DueHours  *float64 `json:"due_hours,omitempty"`
	Minutes   int      `json:"minutes,omitempty"`
	Assumed   bool     `json:"assumed,omitempty"`
}

// Cause is a reason a lead is open: an item at a level, or a firing rule.
type Cause struct {
	Item  string            `json:"item,omitempty"`
	Level string            `json:"level,omitempty"`
	Rule  string            `json:"rule,omitempty"`
	Title map[string]string `json:"title,omitempty"`
	Why   string            `json:"why,omitempty"`
	Since int64             `json:"since,omitempty"`
}

// Evidence is one value a decision rested on.
type Evidence struct {
	Signal string `json:"signal"`
	Value  any    `json:"value"`
	Time   int64  `json:"time"`
}

// Facts are what the party's stage knows of a vehicle: the last revision wins.
type Facts struct {
	Owner  string `json:"owner,omitempty"`
	Dealer string `json:"dealer,omitempty"`
	Plan   string `json:"plan,omitempty"`
	Model  string `json:"model,omitempty"`
	Plate  string `json:"plate,omitempty"`
	Zone   string `json:"zone,omitempty"` // IANA name
	// Contact facts of the profile that named the owner (S46); a party's own record wins.
	Name     string          `json:"name,omitempty"`
	Language string          `json:"language,omitempty"`
	Consent  json.RawMessage `json:"consent,omitempty"`
	Channels json.RawMessage `json:"channels,omitempty"`
	// ContactAt is when the profile last changed, Unix ms: of several vehicles that name an owner the one
	// with the greatest says how to reach him.
	ContactAt int64 `json:"contact_at,omitempty"`

	OdometerKM *float64 `json:"odometer_km,omitempty"`
	OdometerAt int64    `json:"odometer_at,omitempty"`
	// NotOK lists every item that is not ok, in plan order, as a message lists them (S41).
	NotOK []ItemRef `json:"not_ok,omitempty"`
	// Firing lists the rules that fire.
	Firing []Cause `json:"firing,omitempty"`
	// History: the newest services first, at most 8.
	History  []ServiceRef `json:"history,omitempty"`
	Declined []string     `json:"declined,omitempty"`
	// Lead is the open lead, nil without.
	Lead *LeadRef `json:"lead,omitempty"`
}

// LeadRef is a vehicle's open lead.
type LeadRef struct {
	ID     string  `json:"id"`
	Causes []Cause `json:"causes"`
}

// ServiceRef is one service of the vehicle's history.
type ServiceRef struct {
	Time     int64    `json:"time"`
	Date     string   `json:"date"`
	KM       *float64 `json:"km,omitempty"`
	Order    string   `json:"order,omitempty"`
	Dealer   string   `json:"dealer,omitempty"`
	Items    []string `json:"items,omitempty"`
	Declined []string `json:"declined,omitempty"`
}

// Activation is the payload of the control record that puts a rule set in force (E10). It is complete:
// a replay needs nothing but the log.
type Activation struct {
	Number int `json:"number"`
	// Version is "sha256:" + hex of the canonical form of everything below.
	Version string `json:"version"`
	// Files of the rules folder in byte order of their names: rules, plans, policy.
	Files []File `json:"files"`
	// Catalogue is the user's signal file, empty for the built-in catalogue alone.
	Catalogue string `json:"catalogue,omitempty"`
	// Zone is the zone of vehicles whose profile names none (IANA name).
	Zone   string `json:"zone,omitempty"`
	Source string `json:"source,omitempty"` // CloudEvents source
	// Endpoints are the destinations messages fan out to.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
}

// File is one rule file.
type File struct {
	Name    string `json:"name"`
	Content string `json:"content"`
}

// Endpoint is a destination by name; its address and secret are configuration, not state.
type Endpoint struct {
	Name   string `json:"name"`
	Owner  bool   `json:"owner,omitempty"`
	Dealer bool   `json:"dealer,omitempty"`
	// Feed says which events an endpoint gets that is for neither, as they are made: FeedLeads, FeedAlerts
	// (all others), or every one when empty.
	Feed string `json:"feed,omitempty"`
}

// Parts of all events that a feed may get.
const (
	FeedAlerts = "alerts"
	FeedLeads  = "leads"
)

// Policy is what this version reads of the policy file.
type Policy struct {
	GroupWaitMS    int64 // default 10 min (S43)
	ConsentGranted bool  // consent_default (S45), default true
	DayStartsMin   int   // day_starts in minutes after local midnight (S30), default 540
}
