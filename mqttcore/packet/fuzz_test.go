package packet

import (
	"bytes"
	"errors"
	"testing"
)

// Whatever decodes must encode to the same packet, and whatever does not must
// say so with an Error, without a panic.
func FuzzDecode(f *testing.F) {
	for _, tt := range packets {
		f.Add(unhex(f, tt.hex))
	}
	f.Add(unhex(f, "40 82 00 00 07"))
	f.Fuzz(func(t *testing.T, p []byte) {
		n, err := Size(p, 1<<16)
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("foreign error %v", err)
		}
		if err != nil || n == 0 || n > len(p) {
			return
		}
		p = p[:n]
		v, err := decode(p)
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("foreign error %v", err)
			}
			if e.Offset < 0 || e.Offset > n {
				t.Fatalf("offset %d outside of %d bytes", e.Offset, n)
			}
			return
		}
		body, header, _ := remaining(p)
		canonical := append(appendHeader(nil, p[0], body), p[header:]...)
		if got := encode(v); !bytes.Equal(got, canonical) {
			t.Fatalf("% x\ndecodes to %+v\nwhich encodes to\n% x", p, v, got)
		}
	})
}
