package usbip

import (
	"encoding/binary"
	"fmt"
	"io"
)

// This file is the wire format, as the kernel's Documentation/usb/usbip_protocol.rst has it. Numbers are big-endian, but for what is USB's own.

// The commands of the kernel and their answers.
const (
	cmdSubmit = 1
	cmdUnlink = 2
	retSubmit = 3
	retUnlink = 4
)

// headerLen is the length of every command and answer, without data.
const headerLen = 48

// maxTransfer is more than any driver here asks for at once.
const maxTransfer = 1 << 20

// status is how a transfer ended: 0, or a negative errno.
type status int32

const (
	statusDone     status = 0
	statusStall    status = -32  // EPIPE: the device does not know the request
	statusUnlinked status = -104 // ECONNRESET: taken back before it was done
)

// transfer is one transfer that the host asks for: a URB.
type transfer struct {
	sequence uint32
	in       bool // to the host
	endpoint uint32
	length   int // of the host's buffer
	setup    setup
	data     []byte // to the device
}

// setup is the request of a control transfer (USB 2.0 section 9.3).
type setup struct {
	kind    byte // bmRequestType
	request byte
	value   uint16
	index   uint16
	length  uint16
}

func (s setup) standard() bool { return s.kind&0x60 == 0 }
func (s setup) in() bool       { return s.kind&0x80 != 0 } // to the host

// command is what the kernel sends.
type command struct {
	unlink   bool
	sequence uint32
	victim   uint32 // with unlink: the transfer to take back
	transfer transfer
}

// readCommand reads the next command.
func readCommand(r io.Reader) (command, error) {
	var h [headerLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return command{}, err
	}
	be, le := binary.BigEndian, binary.LittleEndian
	c := command{sequence: be.Uint32(h[4:])}
	switch code := be.Uint32(h[0:]); code {
	case cmdUnlink:
		c.unlink, c.victim = true, be.Uint32(h[20:])
		return c, nil
	case cmdSubmit:
	default:
		return command{}, fmt.Errorf("usbip: the kernel sent command %d", code)
	}
	t := transfer{
		sequence: c.sequence,
		in:       be.Uint32(h[12:]) == 1,
		endpoint: be.Uint32(h[16:]),
		length:   int(be.Uint32(h[24:])),
		setup: setup{
			kind: h[40], request: h[41],
			value: le.Uint16(h[42:]), index: le.Uint16(h[44:]), length: le.Uint16(h[46:]),
		},
	}
	if t.length > maxTransfer {
		return command{}, fmt.Errorf("usbip: the kernel asks for %d bytes at once", t.length)
	}
	if !t.in {
		t.data = make([]byte, t.length)
		if _, err := io.ReadFull(r, t.data); err != nil {
			return command{}, err
		}
	}
	c.transfer = t
	return c, nil
}

// result is the answer to a transfer: n bytes went, and data are those to the host.
func result(t transfer, s status, n int, data []byte) []byte {
	return append(header(retSubmit, t.sequence, s, n), data...)
}

// unlinked is the answer to an unlink.
func unlinked(sequence uint32, s status) []byte { return header(retUnlink, sequence, s, 0) }

func header(code, sequence uint32, s status, n int) []byte {
	h := make([]byte, headerLen)
	be := binary.BigEndian
	be.PutUint32(h[0:], code)
	be.PutUint32(h[4:], sequence)
	be.PutUint32(h[20:], uint32(s))
	be.PutUint32(h[24:], uint32(n))
	return h
}
