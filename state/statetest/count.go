package statetest

import (
	"encoding/binary"

	"github.com/milepost-io/milepost/state"
)

// Counts is the document of the counting steps: how often a key was handled, by what.
type Counts struct {
	Inputs, Wakes, Activations uint64
}

const countsSize = 24

// DecodeCounts reads a document of Rules or Notify.
func DecodeCounts(b []byte) Counts {
	return Counts{
		binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]),
	}
}

func bump(c *state.Context, sub []byte, field int) {
	doc := c.Edit(sub)
	if doc == nil {
		doc = c.Resize(sub, countsSize)
	}
	b := doc[8*field:]
	binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)+1)
}

// Rules counts the events, wakes and activations of each key and tells the owner of each: an event's
// payload is the owner's key, empty for none. A key is woken WakeAfter ms after an event.
type Rules struct{ WakeAfter int64 }

var ownerSub = []byte("owner")

func (s *Rules) Apply(c *state.Context, in *state.Input) {
	bump(c, nil, 0)
	if len(in.Payload) > 0 {
		c.Put(ownerSub, in.Payload)
		c.Emit(in.Payload, in.Key, nil)
	}
	if s.WakeAfter > 0 {
		c.WakeAt(nil, in.At+s.WakeAfter)
	}
}

func (s *Rules) Wake(c *state.Context) {
	bump(c, nil, 1)
	if owner := c.View(ownerSub); owner != nil {
		c.Emit(owner, c.Key(), nil)
	}
}

func (s *Rules) Control([]byte) error { return nil }

func (s *Rules) Activated(c *state.Context) { bump(c, nil, 2) }

// Notify counts the notices of each (owner, vehicle), adds an outbox row for each and holds a message
// that is released by a timer WakeAfter ms later.
type Notify struct{ WakeAfter int64 }

func (s *Notify) Apply(c *state.Context, in *state.Input) {
	if in.Kind != state.InputNotice {
		bump(c, nil, 0)
		return
	}
	bump(c, in.Sub, 0)
	c.AddRow(state.RowOutbox, nil, in.Sub)
	if s.WakeAfter > 0 {
		c.WakeAt(in.Sub, in.At+s.WakeAfter)
	}
}

func (s *Notify) Wake(c *state.Context) { bump(c, c.Sub(), 1) }

func (s *Notify) Control([]byte) error { return nil }

func (s *Notify) Activated(*state.Context) {}
