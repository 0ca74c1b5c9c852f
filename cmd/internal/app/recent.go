package app

// heard is a vehicle that was heard.
type heard struct {
	key  string
	at   int64  // arrival, Unix ms
	seen uint64 // changes with every record
}

// ringSize is how many records of a partition are remembered for the console's list of vehicles.
const ringSize = 64

// ring remembers the keys of a partition's newest records, without allocating.
type ring struct {
	keys [ringSize][64]byte
	lens [ringSize]uint8
	at   [ringSize]int64
	seen [ringSize]uint64
	next int
}

func (r *ring) note(key []byte, at int64, seen uint64) {
	if len(key) == 0 || len(key) > len(r.keys[0]) {
		return
	}
	i := r.next % ringSize
	r.next++
	r.lens[i] = uint8(copy(r.keys[i][:], key))
	r.at[i], r.seen[i] = at, seen
}

// forget forgets a vehicle.
func (r *ring) forget(key string) {
	for i := range r.lens {
		if string(r.keys[i][:r.lens[i]]) == key {
			r.keys[i], r.lens[i] = [64]byte{}, 0
		}
	}
}

// appendTo appends each vehicle once, with its newest record.
func (r *ring) appendTo(out []heard) []heard {
	known := map[string]bool{}
	for n := range min(r.next, ringSize) {
		i := (r.next - 1 - n) % ringSize
		key := string(r.keys[i][:r.lens[i]])
		if key != "" && !known[key] {
			known[key] = true
			out = append(out, heard{key, r.at[i], r.seen[i]})
		}
	}
	return out
}
