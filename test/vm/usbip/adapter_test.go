package usbip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// both runs a test with an adapter of each kind.
func both(t *testing.T, test func(*testing.T, *Adapter)) {
	for _, a := range []*Adapter{NewCP2104("123"), NewSerialJTAG("123")} {
		t.Run(a.product, func(t *testing.T) { test(t, a) })
	}
}

// TestDescriptors reads who an adapter is, as Linux does, and holds that the lengths inside its configuration are true.
func TestDescriptors(t *testing.T) {
	both(t, func(t *testing.T, a *Adapter) {
		h := powered(t, a)
		_, device := h.control(0x80, getDescriptor, descriptorDevice<<8, 18)
		le := binary.LittleEndian
		if len(device) != 18 || fmt.Sprintf("%04x:%04x", le.Uint16(device[8:]), le.Uint16(device[10:])) != a.VID+":"+a.PID {
			t.Fatalf("the device descriptor is % x", device)
		}
		_, head := h.control(0x80, getDescriptor, descriptorConfiguration<<8, 9)
		if len(head) != 9 {
			t.Errorf("asked for 9 bytes of the configuration, got %d", len(head))
		}
		total := le.Uint16(head[2:])
		_, configuration := h.control(0x80, getDescriptor, descriptorConfiguration<<8, 1000)
		if len(configuration) != int(total) {
			t.Errorf("the configuration has %d bytes and says %d", len(configuration), total)
		}
		interfaces := 0
		for rest := configuration; len(rest) > 0; rest = rest[rest[0]:] {
			if int(rest[0]) > len(rest) || rest[0] < 2 {
				t.Fatalf("a descriptor is cut: % x", rest)
			}
			if rest[1] == 4 {
				interfaces++
			}
		}
		if interfaces != int(head[4]) {
			t.Errorf("%d interfaces, the configuration says %d", interfaces, head[4])
		}
		_, serial := h.control(0x80, getDescriptor, descriptorString<<8|3, 255)
		if want := []byte{8, 3, '1', 0, '2', 0, '3', 0}; !bytes.Equal(serial, want) {
			t.Errorf("the serial number is % x, want % x", serial, want)
		}
	})
}

// TestUnknownRequest is refused, be it USB's own or the chip's.
func TestUnknownRequest(t *testing.T) {
	both(t, func(t *testing.T, a *Adapter) {
		h := powered(t, a)
		if s, _ := h.control(0x80, getDescriptor, 0x6600, 10); s != statusStall {
			t.Errorf("an unknown descriptor: status %d", s)
		}
		if s, _ := h.control(0x80, 0x66, descriptorDevice<<8, 10); s != statusStall {
			t.Errorf("an unknown standard request: status %d", s)
		}
		if s, _ := h.control(0xa1, 0x66, 0, 10); s != statusStall {
			t.Errorf("an unknown request: status %d", s)
		}
	})
}

// TestModemLines holds that the trace has what a board sees: each transfer, and what became of both lines.
func TestModemLines(t *testing.T) {
	dtr := Lines{DTR: true}
	rts := Lines{RTS: true}
	all := Lines{DTR: true, RTS: true}
	for _, test := range []struct {
		adapter *Adapter
		kind    byte
		request byte
		values  []uint16
		want    []Lines
		both    []bool
	}{
		{
			NewCP2104(""), 0x41, cpSetModemLines,
			[]uint16{0x0303, 0x0303, 0x0102, 0x0201, 0x0100, 0x0302},
			[]Lines{all, all, rts, {}, {}, rts},
			[]bool{true, true, false, false, false, true},
		},
		{
			NewSerialJTAG(""), 0x21, acmSetModemLines,
			[]uint16{3, 3, 2, 1, 0},
			[]Lines{all, all, rts, dtr, {}},
			[]bool{true, true, true, true, true},
		},
	} {
		h := powered(t, test.adapter)
		for _, value := range test.values {
			h.control(test.kind, test.request, value, 0)
		}
		trace := test.adapter.Trace()
		if len(trace) != len(test.values) {
			t.Fatalf("%d transfers are traced, want %d", len(trace), len(test.values))
		}
		var before Lines
		for i, transfer := range trace {
			if transfer.Before != before || transfer.After != test.want[i] || transfer.Both != test.both[i] || transfer.Edge() != (before != test.want[i]) {
				t.Errorf("value %#04x: got %+v, want %v to %v", test.values[i], transfer, before, test.want[i])
			}
			before = test.want[i]
		}
		if len(test.adapter.Trace()) > 0 {
			t.Error("the trace is told twice")
		}
	}
}

// TestModemStatus holds that a driver reads back what it has written: TIOCMSET changes some of the lines that TIOCMGET has returned.
func TestModemStatus(t *testing.T) {
	h := powered(t, NewCP2104(""))
	h.control(0x41, cpSetModemLines, 0x0302, 0)
	if _, got := h.control(0xc1, cpGetModemStatus, 0, 1); !bytes.Equal(got, []byte{modemRTS}) {
		t.Errorf("the modem status is % x", got)
	}
}

func TestBaud(t *testing.T) {
	cp, jtag := NewCP2104(""), NewSerialJTAG("")
	powered(t, cp).control(0x41, cpSetBaud, 0, 4, 0x00, 0xc2, 0x01, 0x00)
	h := powered(t, jtag)
	coding := []byte{0x00, 0xc2, 0x01, 0x00, 0, 0, 8}
	h.control(0x21, acmSetLineCoding, 0, acmLineCodingLen, coding...)
	if cp.Baud() != 115200 || jtag.Baud() != 115200 {
		t.Errorf("got %d and %d baud, want 115200", cp.Baud(), jtag.Baud())
	}
	if _, got := h.control(0xa1, acmGetLineCoding, 0, acmLineCodingLen); !bytes.Equal(got, coding) {
		t.Errorf("the line coding is % x, want % x", got, coding)
	}
}

// TestBytes sends bytes both ways: the host's read waits for them, and gets no more than it has asked for.
func TestBytes(t *testing.T) {
	both(t, func(t *testing.T, a *Adapter) {
		h, u := powered(t, a), a.UART()
		down := h.send(cmdSubmit, 0, endpointData, 5, [8]byte{}, []byte("hello"))
		h.want("write", answer{retSubmit, down, statusDone, 5})
		got := make([]byte, 5)
		if _, err := io.ReadFull(u, got); err != nil || string(got) != "hello" {
			t.Errorf("the board read %q, %v", got, err)
		}

		first := h.send(cmdSubmit, 1, endpointData, 4, [8]byte{}, nil)
		go func() { _, _ = u.Write([]byte("answer")) }()
		h.want("a read that waits", answer{retSubmit, first, statusDone, 4})
		rest := h.data(4)
		second := h.send(cmdSubmit, 1, endpointData, 64, [8]byte{}, nil)
		h.want("a read of what is there", answer{retSubmit, second, statusDone, 2})
		if rest = append(rest, h.data(2)...); string(rest) != "answer" {
			t.Errorf("the host read %q", rest)
		}
		_ = u.Close()
		if n, err := u.Read(got); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("the board reads %d, %v after Close", n, err)
		}
	})
}

// TestStall holds that a stalled UART takes nothing, that the rest works, and that what waits goes on in its order.
func TestStall(t *testing.T) {
	a := NewCP2104("")
	h, u := powered(t, a), a.UART()
	a.Stall(true)
	first := h.send(cmdSubmit, 0, endpointData, 1, [8]byte{}, []byte("1"))
	second := h.send(cmdSubmit, 0, endpointData, 1, [8]byte{}, []byte("2"))
	h.control(0x41, cpSetModemLines, 0x0303, 0) // is answered before them
	go a.Stall(false)
	h.want("the first", answer{retSubmit, first, statusDone, 1})
	h.want("the second", answer{retSubmit, second, statusDone, 1})
	got := make([]byte, 2)
	if _, err := io.ReadFull(u, got); err != nil || string(got) != "12" {
		t.Errorf("the board read %q, %v", got, err)
	}
}

// TestHang holds that an adapter that hangs answers no control request until it goes on.
func TestHang(t *testing.T) {
	a := NewSerialJTAG("")
	h := powered(t, a)
	a.Hang(true)
	lines := h.send(cmdSubmit, 0, endpointControl, 0, [8]byte{0x21, acmSetModemLines, 3}, nil)
	down := h.send(cmdSubmit, 0, endpointData, 1, [8]byte{}, []byte("x"))
	h.want("data", answer{retSubmit, down, statusDone, 1})
	if len(a.Trace()) > 0 {
		t.Error("an adapter that hangs sets lines")
	}
	go a.Hang(false)
	h.want("lines", answer{retSubmit, lines, statusDone, 0})
	if len(a.Trace()) != 1 {
		t.Error("an adapter that goes on does not set the lines")
	}
}

// TestUnlink takes a transfer back that waits. One that is done cannot be taken back.
func TestUnlink(t *testing.T) {
	a := NewCP2104("")
	h := powered(t, a)
	read := h.send(cmdSubmit, 1, endpointData, 64, [8]byte{}, nil)
	unlink := h.send(cmdUnlink, 0, 0, read, [8]byte{}, nil)
	h.want("unlink", answer{retUnlink, unlink, statusUnlinked, 0})
	again := h.send(cmdUnlink, 0, 0, read, [8]byte{}, nil)
	h.want("unlink of what is gone", answer{retUnlink, again, statusDone, 0})
	if _, err := a.UART().Write([]byte("for the next")); err != nil {
		t.Error(err)
	}
	next := h.send(cmdSubmit, 1, endpointData, 64, [8]byte{}, nil)
	h.want("the next read", answer{retSubmit, next, statusDone, 12})
	h.data(12)
}

// TestBufferIsBounded holds that what nobody reads is lost in the end: the beginning stays.
func TestBufferIsBounded(t *testing.T) {
	a := NewCP2104("")
	h, u := powered(t, a), a.UART()
	sent := bytes.Repeat([]byte("0123456789"), bufferSize/5)
	if n, err := u.Write(sent); n != len(sent) || err != nil {
		t.Fatal(n, err)
	}
	read := h.send(cmdSubmit, 1, endpointData, maxTransfer, [8]byte{}, nil)
	h.want("read", answer{retSubmit, read, statusDone, bufferSize})
	if got := h.data(bufferSize); !slices.Equal(got, sent[:bufferSize]) {
		t.Error("not the first bytes were kept")
	}
}

// TestUnplugged holds that an adapter without power has forgotten everything, and that its board talks to nobody.
func TestUnplugged(t *testing.T) {
	a := NewCP2104("")
	t.Run("power", func(t *testing.T) {
		h := powered(t, a)
		h.control(0x41, cpSetModemLines, 0x0303, 0)
		h.control(0x41, cpSetBaud, 0, 4, 0x00, 0xc2, 0x01, 0x00)
		if _, err := a.UART().Write([]byte("never read")); err != nil {
			t.Error(err)
		}
		if _, err := a.powerOn(1, nil); err == nil || !a.Plugged() {
			t.Error("an adapter can be plugged in twice")
		}
	})
	if a.Plugged() || a.Lines() != (Lines{}) || a.Baud() != 0 {
		t.Errorf("unplugged: %v, %v, %d baud", a.Plugged(), a.Lines(), a.Baud())
	}
	if n, err := a.UART().Write([]byte("lost")); n != 4 || err != nil {
		t.Errorf("the board wrote %d, %v", n, err)
	}
	h := powered(t, a)
	go func() { _, _ = a.UART().Write([]byte("new")) }()
	read := h.send(cmdSubmit, 1, endpointData, 64, [8]byte{}, nil)
	h.want("read", answer{retSubmit, read, statusDone, 3})
	h.data(3)
	if err := NewCP2104("").Unplug(); err == nil {
		t.Error("an adapter can be unplugged twice")
	}
}

// TestNonsense ends the service, as for a kernel that is not ours.
func TestNonsense(t *testing.T) {
	for says, h := range map[string][headerLen]byte{
		"command 9":      {3: 9},
		"16777216 bytes": {3: cmdSubmit, 24: 0x01},
	} {
		if _, err := readCommand(bytes.NewReader(h[:])); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got error %v, want one with %q", err, says)
		}
	}
	if _, err := readCommand(bytes.NewReader(make([]byte, headerLen-1))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut command: %v", err)
	}
}
