package cable

import "math/rand/v2"

// Noise is what a bad line does. Drop, Flip and Insert are for each byte the probabilities that it is dropped, that one of its bits flips, and that another byte comes
// before it; Frame is the probability that all that lies between two delimiters is dropped.
type Noise struct{ Drop, Flip, Insert, Frame float64 }

// disturbance makes Noise, the same in every run and however the bytes are cut into chunks.
type disturbance struct {
	Noise
	random *rand.Rand
	faults int
	losing bool // up to the next delimiter
	begun  bool // the run has a byte
}

// seed makes another sequence of faults.
func (d *disturbance) seed(a, b uint64) { d.random = rand.New(rand.NewPCG(a, b)) }

// pass returns what arrives of p, in memory of its own.
func (d *disturbance) pass(p []byte) []byte {
	if d.random == nil {
		d.seed(1, 2)
	}
	out := make([]byte, 0, len(p)+8)
	for _, b := range p {
		if d.lose(b) {
			continue
		}
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

// lose reports whether a byte is part of a frame that is lost as a whole.
func (d *disturbance) lose(b byte) bool {
	switch {
	case b == 0:
		d.begun, d.losing = false, false
	case !d.begun:
		d.begun, d.losing = true, d.happens(d.Frame)
	}
	return d.losing
}

func (d *disturbance) happens(probability float64) bool {
	if probability == 0 || d.random.Float64() >= probability {
		return false
	}
	d.faults++
	return true
}
