package fleet

import "math/rand/v2"

// random is a car's own generator: what happens to one car does not depend on how many there are.
type random struct{ rand.PCG }

func newRandom(seed uint64, id int) random {
	return random{*rand.NewPCG(seed, uint64(id)*0x9e3779b97f4a7c15+1)}
}

// unit is in [0, 1).
func (r *random) unit() float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// chance is true with probability p.
func (r *random) chance(p float64) bool { return r.unit() < p }

// between is in [a, b).
func (r *random) between(a, b float64) float64 { return a + float64(r.unit()*(b-a)) }

// n is in 0 to n-1.
func (r *random) n(n int) int { return int(r.Uint64() >> 1 % uint64(n)) }

// span is a duration in [a, b) ms.
func (r *random) span(a, b int64) int64 { return a + int64(r.unit()*float64(b-a)) }

// weighted picks an index by weight; weights are in per cent and sum to 100.
func (r *random) weighted(weights ...int) int {
	x := r.n(100)
	for i, w := range weights {
		if x < w {
			return i
		}
		x -= w
	}
	return len(weights) - 1
}
