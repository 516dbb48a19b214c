package sim

import "math/rand/v2"

// Faults says what the line does to bytes, in each direction.
type Faults struct {
	// Loss is the probability that a frame vanishes, 0 to 1.
	Loss float64

	// Noise is the probability that a byte is damaged, 0 to 1: one of its bits
	// is flipped, it is lost, or a random byte is put before it.
	Noise float64
}

func (f Faults) valid() bool {
	return f.Loss >= 0 && f.Loss <= 1 && f.Noise >= 0 && f.Noise <= 1
}

// faults applies Faults to one direction of a line.
type faults struct {
	Faults
	rng *rand.Rand
}

// loses reports whether the next frame vanishes.
func (f *faults) loses() bool { return f.Loss > 0 && f.rng.Float64() < f.Loss }

// appendDamaged appends what the line makes of src.
func (f *faults) appendDamaged(dst, src []byte) []byte {
	if f.Noise == 0 {
		return append(dst, src...)
	}
	for _, c := range src {
		if f.rng.Float64() >= f.Noise {
			dst = append(dst, c)
			continue
		}
		switch f.rng.IntN(3) {
		case 0:
			dst = append(dst, c^1<<f.rng.IntN(8))
		case 1: // lost
		case 2:
			dst = append(dst, byte(f.rng.Uint32()), c)
		}
	}
	return dst
}
