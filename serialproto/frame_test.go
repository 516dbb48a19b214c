package serialproto

import (
	"bytes"
	"testing"
	"time"
)

// The constant that a gateway may send before a board has spoken.
func TestDisconnectFrame(t *testing.T) {
	got := AppendFrame(nil, []byte{0x02, 0x18})
	want := []byte{0x00, 0x07, 0x02, 0x18, 0x2b, 0xe8, 0x83, 0x60, 0x00}
	if !bytes.Equal(got, want) {
		t.Fatalf("DISCONNECT frame is % x, want % x", got, want)
	}
	var d Decoder
	d.Feed(got, time.Time{})
	ev, ok := d.Next()
	if !ok || ev.Kind != Frame || !bytes.Equal(ev.Body, []byte{0x02, 0x18}) {
		t.Fatalf("decoded %v % x, %v", ev.Kind, ev.Body, ok)
	}
}
