package oracle

import "slices"

// erased is S47: what is said of an erased vehicle changes nothing until a vehicle event comes; "" for a record
// that is to be taken as any other.
func (w *world) erased(r *record) string {
	switch {
	case r.kind == "erase" && r.bad == "":
		w.erase(r.key)
		w.gone[r.key] = true
		return "erase"
	case r.kind == "party" || !w.gone[r.key]:
		return ""
	case r.kind == "vehicle" && r.bad == "":
		delete(w.gone, r.key)
		w.lives[r.key]++
		return ""
	}
	return "erased"
}

// erase forgets a vehicle: its messages do not leave, and nobody remembers what was told.
func (w *world) erase(vin string) {
	v := w.vehicles[vin]
	if v == nil {
		return
	}
	delete(w.vehicles, vin)
	w.vins = slices.DeleteFunc(w.vins, func(x string) bool { return x == vin })
	w.messages = slices.DeleteFunc(w.messages, func(m *message) bool { return m.vin == vin })
	delete(w.openings, vin)
	delete(w.allOK, vin)
	for owner := range w.namedBy { // what its profile said of him was its own
		w.nameAgain(owner)
	}
}

// nameAgain has the newest profile left that names an owner speak for him.
func (w *world) nameAgain(owner string) {
	delete(w.namedBy, owner)
	newest := 0
	for _, vin := range w.vins {
		v := w.vehicles[vin]
		if name, _ := v.profile["owner"].(string); name == owner && v.named > newest {
			newest, w.namedBy[owner] = v.named, v.profile
		}
	}
}
