// Package receive is what every way in by MQTT does with a publish, whoever runs the broker: its topic says
// what it may carry and about whom it is, its payload is cut into records, and its acknowledgement leaves in
// the order of receipt once they are durable (E4). It speaks no MQTT itself.
package receive

import (
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

// Topic says what may come in on the topics that match a filter.
type Topic struct {
	// Filter is an MQTT topic filter. The level of its first '+' is the vehicle id, or the party id when
	// Types holds nothing but ingest.Party; under a filter without '+' the payload names its key.
	Filter string
	// Codec names how payloads are encoded ("json").
	Codec string
	// Types are the event types accepted here.
	Types ingest.Types
}

// Codec is what routing needs to know of payloads. Both functions may be called concurrently.
type Codec struct {
	// IsBatch reports whether a payload is an array of events.
	IsBatch func(payload []byte) bool
	// Split calls yield for each event of a payload. The entries are parts of the payload. An error means
	// that the payload does not split: it is one record then, and ends in the dead letters.
	Split func(payload []byte, yield func(json.Entry) error) error
}

// DefaultCodecs is the json codec alone.
func DefaultCodecs() map[string]Codec {
	return map[string]Codec{json.Name: {IsBatch: json.IsBatch, Split: json.Split}}
}

// DefaultTopics are the topics without configuration. No car can send an erase.
func DefaultTopics() []Topic {
	return []Topic{
		{Filter: "vehicles/+/telemetry", Codec: json.Name, Types: ingest.TypeSet(ingest.Telemetry)},
		{Filter: "vehicles/+/profile", Codec: json.Name, Types: ingest.TypeSet(ingest.Vehicle)},
		{Filter: "vehicles/+/service", Codec: json.Name, Types: ingest.TypeSet(ingest.Service)},
		{Filter: "vehicles/+/feedback", Codec: json.Name, Types: ingest.TypeSet(ingest.Feedback)},
		{Filter: "parties/+", Codec: json.Name, Types: ingest.TypeSet(ingest.Party)},
	}
}

// Route is a Topic made ready for matching.
type Route struct {
	levels []string
	key    int // index of the level that is the key; -1: the payload names it
	party  bool
	types  ingest.Types
	name   string // of the codec
	codec  Codec
}

// Keyed reports whether the topic names the key, a party's if Party; otherwise the payload does.
func (r *Route) Keyed() bool { return r.key >= 0 }

// Party reports whether nothing but parties may come in here.
func (r *Route) Party() bool { return r.party }

// Routes finds the route of a topic. It may be used concurrently.
type Routes []Route

// NewRoutes makes topics ready for matching; they are asked in order, and the first that matches wins.
func NewRoutes(topics []Topic, codecs map[string]Codec) (Routes, error) {
	rs := make(Routes, 0, len(topics))
	for i, t := range topics {
		levels, err := splitFilter(t.Filter)
		if err != nil {
			return nil, fmt.Errorf("mqtt topic %d: %w", i+1, err)
		}
		if t.Types == 0 {
			return nil, fmt.Errorf("mqtt topic %d: filter %q: no event type is allowed on it", i+1, t.Filter)
		}
		codec, ok := codecs[t.Codec]
		if !ok {
			return nil, fmt.Errorf("mqtt topic %d: filter %q: unknown codec %q", i+1, t.Filter, t.Codec)
		}
		r := Route{levels: levels, key: -1, types: t.Types, name: t.Codec, codec: codec}
		r.party = t.Types == ingest.TypeSet(ingest.Party)
		for j, l := range levels {
			if l == "+" {
				r.key = j
				break
			}
		}
		rs = append(rs, r)
	}
	return rs, nil
}

func splitFilter(filter string) ([]string, error) {
	if filter == "" {
		return nil, fmt.Errorf("empty filter")
	}
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		if l == "#" && i == len(levels)-1 || l == "+" {
			continue
		}
		if strings.ContainsAny(l, "+#") {
			return nil, fmt.Errorf("filter %q: '+' must be a whole level and '#' the last one", filter)
		}
	}
	return levels, nil
}

// Match returns the first route whose filter matches the topic, and the topic's key level. It returns
// nil when none does.
func (rs Routes) Match(topic string) (r *Route, key string) {
	for i := range rs {
		if key, ok := rs[i].match(topic); ok {
			return &rs[i], key
		}
	}
	return nil, ""
}

func (r *Route) match(topic string) (key string, ok bool) {
	if topic == "" || topic[0] == '$' {
		return "", false // MQTT-4.7.2-1: wildcards do not reach the server's own topics
	}
	rest, more := topic, true
	for i, level := range r.levels {
		if level == "#" {
			return key, true // it matches the level above, too
		}
		if !more {
			return "", false
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if level != "+" && level != part {
			return "", false
		}
		if i == r.key {
			key = part
		}
	}
	return key, !more
}

// Overlap reports whether a topic can match both filters.
func Overlap(a, b string) bool {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	for i := 0; ; i++ {
		switch {
		case i < len(x) && x[i] == "#", i < len(y) && y[i] == "#":
			return true
		case i == len(x) || i == len(y):
			// "a/#" matches "a", too.
			return len(x) == len(y) || i+1 == len(x) && x[i] == "#" || i+1 == len(y) && y[i] == "#"
		case x[i] != y[i] && x[i] != "+" && y[i] != "+":
			return false
		}
	}
}
