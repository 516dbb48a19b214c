package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/umqttd/umqttd/daemon"
	"github.com/umqttd/umqttd/devices"
)

// A capture is a pcapng file, as draft-ietf-opsawg-pcapng describes it, written block by
// block so that Wireshark can follow it through a pipe. It has two interfaces:
//
//	0  messages, each as the UDP datagram that it would be: the board has address 192.0.2.2,
//	   the gateway 192.0.2.1 and port 1884
//	1  console text and noise, as lines of text and as bytes
//
// MQTT-SN has no port of its own in Wireshark, and its dissector no name in older versions,
// so UDP is the only way in that all of them know: -d udp.port==1884,mqttsn.
type capture struct {
	w io.Writer
}

const (
	linkIPv4     = 228 // LINKTYPE_IPV4
	linkUpperPDU = 252 // LINKTYPE_WIRESHARK_UPPER_PDU

	capturePort = 1884 // that of the examples of udp ports in this project
	boardPort   = 10000
	maxDatagram = 65535 - ipHeader - udpHeader
	ipHeader    = 20
	udpHeader   = 8
)

var (
	gatewayAddress = [4]byte{192, 0, 2, 1} // of TEST-NET-1, which nobody has
	boardAddress   = [4]byte{192, 0, 2, 2}
)

// newCapture begins a capture of the device or port called name.
func newCapture(w io.Writer, name string) (*capture, error) {
	c := &capture{w}
	section := binary.LittleEndian.AppendUint32(nil, 0x1a2b3c4d) // byte order
	section = append(section, 1, 0, 0, 0)                        // version 1.0
	section = append(section, "\xff\xff\xff\xff\xff\xff\xff\xff"...)
	section = appendOption(section, 4, "umqttd "+versionText()) // shb_userappl
	err := c.block(0x0a0d0d0a, endOptions(section))
	for i, link := range []uint16{linkIPv4, linkUpperPDU} {
		if err == nil {
			about := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint16(nil, link), 0) // reserved, low half of no limit
			about = append(about, 0, 0)
			about = appendOption(about, 2, []string{name, name + " console"}[i]) // if_name
			about = appendOption(about, 9, "\x09")                               // if_tsresol: nanoseconds
			err = c.block(1, endOptions(about))
		}
	}
	// The names that Wireshark shows instead of the addresses.
	if err == nil {
		var names []byte
		names = appendOption(names, 1, string(gatewayAddress[:])+"umqttd\x00")
		names = appendOption(names, 1, string(boardAddress[:])+name+"\x00")
		err = c.block(4, endOptions(names))
	}
	return c, err
}

// event writes what passed the port.
func (c *capture) event(ev daemon.MonitorEvent) error {
	const inbound, outbound = 1, 2
	switch ev.Kind {
	case devices.FrameIn:
		return c.packet(0, ev.At, datagram(ev.Body, true), len(ev.Body), inbound)
	case devices.FrameOut:
		return c.packet(0, ev.At, datagram(ev.Body, false), len(ev.Body), outbound)
	case devices.Console:
		return c.packet(1, ev.At, upperPDU("data-text-lines", ev.Body), 0, inbound)
	default: // noise
		return c.packet(1, ev.At, upperPDU("data", ev.Body), 0, inbound)
	}
}

// packet writes one packet with its direction. Full is the length of the message in it,
// of which a datagram may hold less.
func (c *capture) packet(inf uint32, at time.Time, data []byte, full int, direction uint32) error {
	le := binary.LittleEndian
	stamp := uint64(at.UnixNano())
	b := le.AppendUint32(nil, inf)
	b = le.AppendUint32(b, uint32(stamp>>32))
	b = le.AppendUint32(b, uint32(stamp))
	b = le.AppendUint32(b, uint32(len(data)))
	b = le.AppendUint32(b, uint32(len(data)+max(0, full-maxDatagram)))
	b = appendPadded(b, string(data))
	b = appendOption(b, 2, string(le.AppendUint32(nil, direction))) // epb_flags
	return c.block(6, endOptions(b))
}

// block writes a block with one Write, so that who reads a pipe sees it at once.
func (c *capture) block(kind uint32, body []byte) error {
	le := binary.LittleEndian
	total := uint32(len(body) + 12)
	b := le.AppendUint32(le.AppendUint32(nil, kind), total)
	b = le.AppendUint32(append(b, body...), total)
	if _, err := c.w.Write(b); err != nil {
		return fmt.Errorf("monitor: capture: %w", err)
	}
	return nil
}

func appendOption(b []byte, code uint16, value string) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return appendPadded(b, value)
}

// endOptions ends a list of options, or of names: both with four zeros.
func endOptions(b []byte) []byte { return append(b, 0, 0, 0, 0) }

// appendPadded appends text up to a multiple of four bytes.
func appendPadded(b []byte, text string) []byte {
	b = append(b, text...)
	for n := len(text); n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// datagram makes of a message what it would be with UDP. More than a datagram holds is
// left out.
func datagram(body []byte, fromBoard bool) []byte {
	body = body[:min(len(body), maxDatagram)]
	from, to, source, destination := gatewayAddress, boardAddress, uint16(capturePort), uint16(boardPort)
	if fromBoard {
		from, to, source, destination = to, from, destination, source
	}
	be := binary.BigEndian
	b := []byte{0x45, 0}
	b = be.AppendUint16(b, uint16(ipHeader+udpHeader+len(body)))
	b = append(b, 0, 0, 0x40, 0, 64, 17, 0, 0) // not to be fragmented, UDP, checksum to come
	b = append(append(b, from[:]...), to[:]...)
	be.PutUint16(b[10:], checksum(b))
	b = be.AppendUint16(be.AppendUint16(b, source), destination)
	b = be.AppendUint16(b, uint16(udpHeader+len(body)))
	return append(append(b, 0, 0), body...) // no checksum
}

// checksum is that of an IPv4 header, RFC 1071.
func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// upperPDU hands bytes to one of Wireshark's dissectors by its name.
func upperPDU(dissector string, body []byte) []byte {
	const byName = 12 // EXP_PDU_TAG_DISSECTOR_NAME
	padded := appendPadded(nil, dissector)
	b := binary.BigEndian.AppendUint16(nil, byName)
	b = binary.BigEndian.AppendUint16(b, uint16(len(padded)))
	b = append(append(b, padded...), 0, 0, 0, 0)
	return append(b, body...)
}
