package cable

import "math/rand/v2"

// Noise is what a bad line does to each byte: the probabilities that it is dropped, that one of its bits flips, and that another byte comes before it.
type Noise struct{ Drop, Flip, Insert float64 }

// disturbance makes Noise, the same in every run.
type disturbance struct {
	Noise
	random *rand.Rand
	faults int
}

// pass returns what arrives of p, in memory of its own.
func (d *disturbance) pass(p []byte) []byte {
	if d.random == nil {
		d.random = rand.New(rand.NewPCG(1, 2))
	}
	out := make([]byte, 0, len(p)+8)
	for _, b := range p {
		if d.happens(d.Insert) {
			out = append(out, byte(d.random.Uint32()))
		}
		if d.happens(d.Drop) {
			continue
		}
		if d.happens(d.Flip) {
			b ^= 1 << d.random.IntN(8)
		}
		out = append(out, b)
	}
	return out
}

func (d *disturbance) happens(probability float64) bool {
	if probability == 0 || d.random.Float64() >= probability {
		return false
	}
	d.faults++
	return true
}
