package notify

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/milepost-io/milepost/rules"
)

// Bounds of a vehicle's document (E11).
const (
	sameVisitMS  = 14 * dayMS // S41
	leadKeptMS   = 7 * dayMS  // how long a closed lead stays in the list
	recentKept   = 8          // message views of a vehicle
	maxMessages  = 64         // messages that wait or are on their way
	dayMS        = 24 * 3600 * 1000
	toldKept     = 16 // remembered for same_visit
	episodesKept = 128

	vehicleVersion = 1
)

// vehicle is the document of one vehicle under its party. It is stored as JSON of this struct alone: no
// maps of ours, so the encoding is canonical (E12), and a later version reads it by its field names.
type vehicle struct {
	Version int         `json:"v"`
	Facts   rules.Facts `json:"facts"`
	// Former: the party is no longer the owner; the rest is memory and deliveries under way.
	Former bool `json:"former,omitempty"`
	// Seq is the number of the last event created.
	Seq      uint32    `json:"seq,omitempty"`
	Told     []told    `json:"told,omitempty"`
	Episodes []episode `json:"episodes,omitempty"`
	// Messages wait for their release or for their results, in order of creation.
	Messages []message `json:"messages,omitempty"`
	Recent   []recent  `json:"recent,omitempty"`
	Lead     *lead     `json:"lead,omitempty"`
}

// told remembers a message that was made for the owner and not held (S41).
type told struct {
	N     uint32   `json:"n"` // of the message
	Rank  int      `json:"rank"`
	At    int64    `json:"at"`
	Items []string `json:"items"`
}

// episode remembers the openings of an alert, or of an item's interval, until it is closed (S42).
type episode struct {
	Alert string `json:"alert"`
	// N is the newest opening for the owner; 0: none was.
	N uint32 `json:"n,omitempty"`
	// Sent: a message of it was released, to Endpoints.
	Sent      bool     `json:"sent,omitempty"`
	Endpoints []string `json:"endpoints,omitempty"`
	// Reason the newest opening for the owner was held for.
	Reason string `json:"reason,omitempty"`
}

// recent names a message view that is kept.
type recent struct {
	N       uint32 `json:"n"`
	Created int64  `json:"created"`
}

func loadVehicle(doc []byte) *vehicle {
	if doc == nil {
		return nil
	}
	v := new(vehicle)
	if err := decode(doc, v); err != nil {
		panic(fmt.Sprintf("notify: read a vehicle's document: %v", err)) // E17
	}
	return v
}

func (v *vehicle) encode() []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("notify: write a vehicle's document: %v", err)) // E17
	}
	return b
}

// nextWake is when the document has something to do by itself; 0: never.
func (v *vehicle) nextWake() int64 {
	var at int64
	sooner := func(t int64) {
		if t > 0 && (at == 0 || t < at) {
			at = t
		}
	}
	for i := range v.Messages {
		if v.Messages[i].waiting() {
			sooner(v.Messages[i].Due)
		}
	}
	if v.Lead != nil && v.Lead.View.State == leadClosed {
		sooner(v.Lead.View.Updated + leadKeptMS)
	}
	if v.Former {
		for i := range v.Told {
			sooner(v.Told[i].At + sameVisitMS)
		}
	}
	return at
}

// forgetTold drops the messages all of whose items are ok: a new visit begins (S41).
func (v *vehicle) forgetTold(notOK []string) {
	v.Told = keepIf(v.Told, func(m *told) bool {
		for _, id := range m.Items {
			if slices.Contains(notOK, id) {
				return true
			}
		}
		return false
	})
}

// toldWithin reports whether a message of at least this rank counts against a new one (S41).
func (v *vehicle) toldWithin(now int64, rank int) bool {
	for i := range v.Told {
		if m := &v.Told[i]; m.Rank >= rank && now-m.At < sameVisitMS {
			return true
		}
	}
	return false
}

// untell forgets a message that was held after all.
func (v *vehicle) untell(n uint32) {
	v.Told = keepIf(v.Told, func(m *told) bool { return m.N != n })
}

// episode returns the memory of an alert, making it when there is none.
func (v *vehicle) episode(alert string) *episode {
	for i := range v.Episodes {
		if v.Episodes[i].Alert == alert {
			return &v.Episodes[i]
		}
	}
	if len(v.Episodes) >= episodesKept { // E11: the oldest goes
		v.Episodes = slices.Delete(v.Episodes, 0, 1)
	}
	v.Episodes = append(v.Episodes, episode{Alert: alert})
	return &v.Episodes[len(v.Episodes)-1]
}

// known returns the memory of an alert, nil when there is none.
func (v *vehicle) known(alert string) *episode {
	for i := range v.Episodes {
		if v.Episodes[i].Alert == alert {
			return &v.Episodes[i]
		}
	}
	return nil
}

func (v *vehicle) endEpisode(alert string) {
	v.Episodes = keepIf(v.Episodes, func(e *episode) bool { return e.Alert != alert })
}

func notOKIDs(items []rules.ItemRef) []string {
	out := make([]string, 0, len(items))
	for i := range items {
		out = append(out, items[i].ID)
	}
	return out
}

// keepIf filters in place, in order.
func keepIf[T any](s []T, keep func(*T) bool) []T {
	out := s[:0]
	for i := range s {
		if keep(&s[i]) {
			out = append(out, s[i])
		}
	}
	clear(s[len(out):])
	if len(out) == 0 {
		return nil
	}
	return out
}

// union adds what s lacks of more, in order.
func union(s, more []string) []string {
	for _, x := range more {
		if !slices.Contains(s, x) {
			s = append(s, x)
		}
	}
	return s
}
