package rules

import (
	"cmp"
	"slices"

	"github.com/milepost-io/milepost/rules/plan"
)

// vehicle is the hot document opened for a step: copied out of the document, changed, copied back. Its
// slices are reused from vehicle to vehicle, so a known car costs no allocation.
type vehicle struct {
	header
	slots   []slot
	sets    []set
	rules   []ruleState
	items   []plan.ItemState
	causes  []cause
	facts   []fact
	applies []uint64
	codes   []byte
	strings []byte
}

// open fills v from a document; false means there is none yet and v is a new vehicle.
func (v *vehicle) open(doc []byte) (bool, error) {
	v.reset()
	if doc == nil {
		return false, nil
	}
	if len(doc) < headerSize {
		return false, errDocument
	}
	rest := doc[copy(headerBytes(&v.header), doc):]
	if v.Format != docFormat {
		return false, errDocument
	}
	var err error
	step := func(b []byte, e error) {
		if err == nil {
			rest, err = b, e
		}
	}
	step(take(&v.slots, v.Slots, rest))
	step(take(&v.sets, v.Sets, rest))
	step(take(&v.rules, v.Rules, rest))
	step(take(&v.items, v.Items, rest))
	step(take(&v.causes, v.Causes, rest))
	step(take(&v.facts, v.Facts, rest))
	step(take(&v.applies, v.Applies, rest))
	step(take(&v.codes, v.Codes, rest))
	step(take(&v.strings, v.Strings, rest))
	if err == nil && len(rest) > 7 {
		err = errDocument
	}
	return true, err
}

// reset makes v a vehicle nobody has heard of.
func (v *vehicle) reset() {
	v.header = header{Format: docFormat, L: never, Tau: never, OdometerAt: never, HoursAt: never, ProfileAt: never, InService: plan.NoDay}
	v.slots, v.sets, v.rules, v.items = v.slots[:0], v.sets[:0], v.rules[:0], v.items[:0]
	v.causes, v.facts, v.applies = v.causes[:0], v.facts[:0], v.applies[:0]
	v.codes, v.strings = v.codes[:0], v.strings[:0]
}

// size is the length of the document in bytes, a multiple of 8.
func (v *vehicle) size() int {
	n := headerSize + len(v.slots)*slotSize + len(v.sets)*setSize + len(v.rules)*ruleSize + len(v.items)*itemSize +
		len(v.causes)*causeSize + len(v.facts)*factSize + len(v.applies)*8 + len(v.codes) + len(v.strings)
	return (n + 7) &^ 7
}

// write copies v into a document of its size.
func (v *vehicle) write(doc []byte) {
	v.Slots, v.Sets, v.Rules, v.Items = uint32(len(v.slots)), uint32(len(v.sets)), uint32(len(v.rules)), uint32(len(v.items))
	v.Causes, v.Facts, v.Applies = uint32(len(v.causes)), uint32(len(v.facts)), uint32(len(v.applies))
	v.Codes, v.Strings = uint32(len(v.codes)), uint32(len(v.strings))
	rest := doc[copy(doc, headerBytes(&v.header)):]
	rest = put(rest, v.slots)
	rest = put(rest, v.sets)
	rest = put(rest, v.rules)
	rest = put(rest, v.items)
	rest = put(rest, v.causes)
	rest = put(rest, v.facts)
	rest = put(rest, v.applies)
	rest = put(rest, v.codes)
	rest = put(rest, v.strings)
	clear(rest)
}

// slot returns the slot of a signal, or nil.
func (v *vehicle) slot(id uint32) *slot {
	lo, hi := 0, len(v.slots)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if v.slots[mid].ID < id {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(v.slots) && v.slots[lo].ID == id {
		return &v.slots[lo]
	}
	return nil
}

// addSlot makes the slot of a signal seen for the first time; pointers to other slots become invalid.
func (v *vehicle) addSlot(id uint32) *slot {
	i, _ := slices.BinarySearchFunc(v.slots, id, func(s slot, id uint32) int { return cmp.Compare(s.ID, id) })
	v.slots = slices.Insert(v.slots, i, slot{ID: id, At: never})
	return &v.slots[i]
}

// set returns the place of the set of a signal, or -1. There are two or three: no search.
func (v *vehicle) set(id uint32) int {
	for i := range v.sets {
		if v.sets[i].ID == id {
			return i
		}
	}
	return -1
}

// addSet makes the set of a signal seen for the first time.
func (v *vehicle) addSet(id uint32) int {
	v.sets = append(v.sets, set{ID: id, At: never})
	return len(v.sets) - 1
}

// codesOf is the content of the i-th set.
func (v *vehicle) codesOf(i int) []byte {
	from := uint32(0)
	for k := range i {
		from += v.sets[k].Len
	}
	return v.codes[from : from+v.sets[i].Len]
}

// setCodes replaces the content of the i-th set.
func (v *vehicle) setCodes(i int, codes []byte) {
	from := 0
	for k := range i {
		from += int(v.sets[k].Len)
	}
	v.codes = slices.Replace(v.codes, from, from+int(v.sets[i].Len), codes...)
	v.sets[i].Len = uint32(len(codes))
}

// rule returns what is remembered of a rule, or nil.
func (v *vehicle) rule(key uint64) *ruleState {
	if len(v.rules) == 0 {
		return nil
	}
	i, ok := slices.BinarySearchFunc(v.rules, key, func(r ruleState, key uint64) int { return cmp.Compare(r.Key, key) })
	if !ok {
		return nil
	}
	return &v.rules[i]
}

// addRule makes the entry of a rule; pointers to other entries become invalid.
func (v *vehicle) addRule(key, meaning uint64) *ruleState {
	i, _ := slices.BinarySearchFunc(v.rules, key, func(r ruleState, key uint64) int { return cmp.Compare(r.Key, key) })
	v.rules = slices.Insert(v.rules, i, ruleState{Key: key, Meaning: meaning, FiredAt: never, Emitted: [4]int64{never, never, never, never}})
	return &v.rules[i]
}

// dropRule forgets a rule that is idle and never fired.
func (v *vehicle) dropRule(r *ruleState) {
	if r.State == idle && r.FiredAt == never {
		i, _ := slices.BinarySearchFunc(v.rules, r.Key, func(r ruleState, key uint64) int { return cmp.Compare(r.Key, key) })
		v.rules = slices.Delete(v.rules, i, i+1)
	}
}
