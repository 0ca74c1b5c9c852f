package rules

import (
	"encoding/json"
	"fmt"
	"slices"
)

// history is the services of a vehicle as they were told, newest first, with what they were taken as.
type history struct {
	// Count is the number of services ever, those no longer listed included.
	Count int        `json:"count"`
	List  []Serviced `json:"list"`
}

// Serviced is one service on file.
type Serviced struct {
	ServiceRef
	Hours *float64 `json:"hours,omitempty"`
	Codes []string `json:"codes,omitempty"`
	// Assumed: the odometer is not as told but taken from the car's own (S33).
	Assumed bool  `json:"odometer_assumed,omitempty"`
	Arrival int64 `json:"arrival"`
	// Told is a fingerprint of the content: the same order told again is a duplicate (S5).
	Told uint64 `json:"told"`
}

// Bounds of what is listed (E11); what an item is counted from is kept apart from it.
const (
	maxHistory = 40 // services
	maxListed  = 64 // items, codes and declined items of a service
)

// listed is the part of a list that is kept.
func listed(names []string) []string { return slices.Clone(names[:min(len(names), maxListed)]) }

// history returns the services on file, loaded on first use.
func (s *Step) history() *history {
	if s.in.history == nil {
		s.in.history = &history{}
		if b := s.in.docs.View(s.sub.services); b != nil {
			if err := json.Unmarshal(b, s.in.history); err != nil {
				panic(fmt.Errorf("vehicle %s: document %s: %w", s.in.vin, subServices, err))
			}
		}
	}
	return s.in.history
}

// add files a service in order of time; among equals the later told comes first.
func (h *history) add(sv Serviced) {
	h.Count++
	i := slices.IndexFunc(h.List, func(o Serviced) bool { return o.Time <= sv.Time })
	if i < 0 {
		i = len(h.List)
	}
	h.List = slices.Insert(h.List, i, sv)
	h.List = h.List[:min(len(h.List), maxHistory)]
}

// encode is the document, without the oldest services where they would make it too long.
func (h *history) encode() []byte {
	for {
		b := encodeJSON(h)
		if len(b) <= maxDocument || len(h.List) == 1 {
			return b
		}
		h.List = h.List[:len(h.List)-1]
	}
}

// has reports whether an order was told before with the same content (S5).
func (h *history) has(dealer, order string, told uint64) bool {
	return slices.ContainsFunc(h.List, func(o Serviced) bool { return o.Order == order && o.Dealer == dealer && o.Told == told })
}

// newest is the latest service, or nil.
func (h *history) newest() *Serviced {
	if len(h.List) == 0 {
		return nil
	}
	return &h.List[0]
}

// refs are the n newest services.
func (h *history) refs(n int) []ServiceRef {
	var out []ServiceRef
	for i := range h.List[:min(n, len(h.List))] {
		out = append(out, h.List[i].ServiceRef)
	}
	return out
}

// declined are the items declined and not done since, latest first (S33).
func (h *history) declined() []string {
	var out, done []string
	for i := range h.List {
		done = append(done, h.List[i].Items...)
		for _, d := range h.List[i].Declined {
			if !slices.Contains(done, d) && !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out
}
