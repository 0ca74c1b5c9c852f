package broker

import (
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/ingest"
)

// route is a Topic made ready for matching.
type route struct {
	levels []string
	key    int // index of the level that is the key; -1: the payload names it
	party  bool
	types  ingest.Types
	name   string // of the codec
	codec  Codec
}

// routes finds the route of a topic.
type routes []route

func newRoutes(topics []Topic, codecs map[string]Codec) (routes, error) {
	rs := make(routes, 0, len(topics))
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
		r := route{levels: levels, key: -1, types: t.Types, name: t.Codec, codec: codec}
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

// match returns the first route whose filter matches the topic, and the topic's key level. It returns
// nil when none does.
func (rs routes) match(topic string) (r *route, key string) {
	for i := range rs {
		if key, ok := rs[i].match(topic); ok {
			return &rs[i], key
		}
	}
	return nil, ""
}

func (r *route) match(topic string) (key string, ok bool) {
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
