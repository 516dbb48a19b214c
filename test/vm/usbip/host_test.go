package usbip

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// host is the kernel's end of the socket. It sends commands and reads answers one by one.
type host struct {
	t        *testing.T
	conn     net.Conn
	sequence uint32
}

// limit is how long an answer may take.
const limit = 20 * time.Second

// powered gives an adapter a host.
func powered(t *testing.T, a *Adapter) *host {
	t.Helper()
	theirs, ours := net.Pipe()
	p, err := a.powerOn(0, ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = theirs.Close()
		a.powerOff(p)
	})
	if err := theirs.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	return &host{t: t, conn: theirs}
}

// send sends a command and returns its number.
func (h *host) send(code, direction, endpoint, length uint32, setup [8]byte, data []byte) uint32 {
	h.t.Helper()
	h.sequence++
	var head [headerLen]byte
	be := binary.BigEndian
	be.PutUint32(head[0:], code)
	be.PutUint32(head[4:], h.sequence)
	be.PutUint32(head[12:], direction)
	be.PutUint32(head[16:], endpoint)
	be.PutUint32(head[20:], length) // with cmdUnlink: the number of the transfer
	be.PutUint32(head[24:], length)
	copy(head[40:], setup[:])
	if _, err := h.conn.Write(append(head[:], data...)); err != nil {
		h.t.Fatal(err)
	}
	return h.sequence
}

// answer is what the host has read.
type answer struct {
	code, sequence uint32
	status         status
	length         uint32
}

// receive reads the next answer, without data.
func (h *host) receive() answer {
	h.t.Helper()
	var head [headerLen]byte
	if _, err := io.ReadFull(h.conn, head[:]); err != nil {
		h.t.Fatal(err)
	}
	be := binary.BigEndian
	return answer{be.Uint32(head[0:]), be.Uint32(head[4:]), status(int32(be.Uint32(head[20:]))), be.Uint32(head[24:])}
}

// want fails unless the next answer is this one.
func (h *host) want(what string, want answer) {
	h.t.Helper()
	if got := h.receive(); got != want {
		h.t.Fatalf("%s: got %+v, want %+v", what, got, want)
	}
}

// data reads what follows an answer.
func (h *host) data(length uint32) []byte {
	h.t.Helper()
	p := make([]byte, length)
	if _, err := io.ReadFull(h.conn, p); err != nil {
		h.t.Fatal(err)
	}
	return p
}

// control makes a control transfer and returns how it ended and what came back. Direction and length follow from the request.
func (h *host) control(kind, request byte, value, length uint16, data ...byte) (status, []byte) {
	h.t.Helper()
	setup := [8]byte{kind, request, byte(value), byte(value >> 8), 0, 0, byte(length), byte(length >> 8)}
	direction, n := uint32(0), uint32(len(data))
	if kind&0x80 != 0 {
		direction, n = 1, uint32(length)
	}
	sequence := h.send(cmdSubmit, direction, endpointControl, n, setup, data)
	a := h.receive()
	if a.code != retSubmit || a.sequence != sequence {
		h.t.Fatalf("request %#x: got answer %+v", request, a)
	}
	if direction == 0 || a.status != statusDone {
		return a.status, nil
	}
	return a.status, h.data(a.length)
}
