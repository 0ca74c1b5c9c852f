package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/milepost-io/milepost/state"
)

// HoldsFile is the file of a data folder that says what is held.
const HoldsFile = "holds.json"

// Hold is why nothing is sent to a destination, or to any, until somebody releases it.
type Hold struct {
	Destination string    `json:"destination,omitempty"` // "": all of them
	Reason      string    `json:"reason"`
	By          string    `json:"by"`
	Since       time.Time `json:"since"`
}

// Name is the destination for people.
func (h *Hold) Name() string { return holdName(h.Destination) }

func holdName(destination string) string {
	if destination == "" {
		return "all destinations"
	}
	return destination
}

// heldFile is what HoldsFile holds. A release is remembered for as long as entries may be left that
// waited for it: their horizon counts from it.
type heldFile struct {
	Holds    []Hold     `json:"holds"`
	Released []released `json:"released,omitempty"`
}

type released struct {
	Destination string `json:"destination,omitempty"`
	At          int64  `json:"at"` // Unix ms on the engine's clock
}

// holds is the red button: what is held, durable in the data folder before it takes effect, and who
// pressed it in the audit file. Safe for concurrent use.
type holds struct {
	fs   state.FS
	data string

	mu   sync.Mutex
	file heldFile
}

// openHolds reads what is held. A file that cannot be read is an error: nobody knows what may be sent.
func openHolds(fs state.FS, data string) (*holds, error) {
	h := &holds{fs: fs, data: data}
	path := fs.PathJoin(data, HoldsFile)
	b, err := state.ReadFile(fs, path)
	if err == nil && b != nil {
		err = json.Unmarshal(b, &h.file)
	}
	if err != nil {
		return nil, fmt.Errorf("what is held: %s: %w: mend the file, or remove it to hold nothing", path, err)
	}
	return h, nil
}

// list is what is held, by destination.
func (h *holds) list() []Hold {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Hold{}, h.file.Holds...) // never nil: a listing
}

// add holds a destination, or all with "". One that is held already keeps its first reason beside the new.
func (h *holds) add(x Hold) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := heldFile{Holds: slices.Clone(h.file.Holds), Released: h.file.Released}
	i := slices.IndexFunc(next.Holds, func(o Hold) bool { return o.Destination == x.Destination })
	if i < 0 {
		next.Holds = append(next.Holds, x)
		slices.SortFunc(next.Holds, func(a, b Hold) int { return strings.Compare(a.Destination, b.Destination) })
	} else if !strings.Contains(next.Holds[i].Reason, x.Reason) {
		next.Holds[i].Reason += "; " + x.Reason
	}
	return h.put(next, AuditLine{At: x.Since, By: x.By, Action: "hold", Subject: x.Name(), Reason: x.Reason})
}

// remove releases a destination, or with "" the hold of all. It returns what was held, nil for nothing.
func (h *holds) remove(destination, by string, at time.Time) (*Hold, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.file.Holds, func(o Hold) bool { return o.Destination == destination })
	if i < 0 {
		return nil, nil
	}
	was := h.file.Holds[i]
	next := heldFile{Holds: slices.Delete(slices.Clone(h.file.Holds), i, i+1)}
	for _, r := range h.file.Released {
		if r.Destination != destination {
			next.Released = append(next.Released, r)
		}
	}
	next.Released = append(next.Released, released{destination, at.UnixMilli()})
	return &was, h.put(next, AuditLine{At: at, By: by, Action: "release", Subject: was.Name(), Reason: was.Reason})
}

// put makes a change durable; h.mu is held.
func (h *holds) put(next heldFile, l AuditLine) error {
	if err := Audit(h.fs, h.data, l); err != nil {
		return err
	}
	b, err := json.Marshal(&next)
	if err == nil {
		err = state.ReplaceFile(h.fs, h.fs.PathJoin(h.data, HoldsFile), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", HoldsFile, err)
	}
	h.file = next
	return nil
}
