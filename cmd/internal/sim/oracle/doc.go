// Package oracle takes rule files and recorded events and puts out, line by line, what an engine that keeps the rules
// of docs/semantics.md must send: a second opinion, written from that page alone and sharing no code with the engine.
//
// It is naive on purpose. It keeps the whole history of every vehicle, looks everything up anew, knows no batches,
// shards or deadlines, and says in each function which rule (S1, S2, …) it is.
package oracle

import "math"

// NoUntil is an Until that lies before every record.
const NoUntil = math.MinInt64

// File is a rule file of a rules folder.
type File struct{ Name, Content string }

// Reload puts other rule files in force before the line of that index.
type Reload struct {
	Before int
	Files  []File
}

// Input is everything a backtest depends on.
type Input struct {
	Files     []File
	Catalogue []byte // the signal catalogue in YAML
	Zone      string // of vehicles whose profile names none
	Lines     []string
	Until     int64 // Unix ms; NoUntil: the last record ends it
	Reloads   []Reload
}

// Item is an entry of data.items.
type Item struct{ ID, State string }

// Cause is an entry of data.causes: a maintenance item with its level, or a rule.
type Cause struct{ Item, Level, Rule string }

// Line is one event and what became of it. ID and Alert are tuples spelled out: two are equal exactly when the
// events, or the alerts, are the same.
type Line struct {
	ID, Type, Subject string
	Time              int64
	Alert             string
	Items             []Item
	Rule              string
	Causes            []Cause
	Reason            string
	Silent, Late      bool
	To, Held, Joined  string
	Released          int64
}

// Outcomes counts what became of the records (S6).
type Outcomes struct{ Applied, Duplicate, Late, Quarantined int }

// Vehicle is the end of one vehicle's story.
type Vehicle struct {
	Odometer    int64 // accepted, in metres
	HasOdometer bool
	Items       map[string]string // level by item id, of the plan in force
}

// Result is what Run puts out.
type Result struct {
	Lines    []Line
	Outcomes Outcomes
	Vehicles map[string]Vehicle
	// Fates says of each input line what became of it, for the reader of a failed comparison.
	Fates []string
}
