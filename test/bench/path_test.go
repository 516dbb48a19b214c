package bench

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/mqttcore/packet"
	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
)

// path is a way to the broker: one message goes there, and the time until its PUBACK is what counts.
type path interface {
	// publish sends one QoS 1 message and waits for its PUBACK.
	publish(b *testing.B)
}

// descriptor is a blocking file or socket, read and written without Go's poller: a board and a minimal client in C would do the same, and the time that Go's
// scheduler takes at this end is not umqttd's.
type descriptor int

func (d descriptor) read(b *testing.B, p []byte) int {
	for {
		switch n, err := unix.Read(int(d), p); {
		case err == unix.EINTR:
		case err != nil || n == 0:
			b.Fatalf("read: %d, %v", n, err)
		default:
			return n
		}
	}
}

func (d descriptor) write(b *testing.B, p []byte) {
	if n, err := unix.Write(int(d), p); err != nil || n < len(p) {
		b.Fatalf("write: %d, %v", n, err)
	}
}

// direct is the least that an MQTT client can be: a socket.
type direct struct {
	descriptor
	out, in []byte
	id      uint16
	topic   []byte
	payload []byte
}

func dialDirect(b *testing.B, address string, topic, payload []byte) *direct {
	b.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		b.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		b.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Close(fd) })
	to := &unix.SockaddrInet4{Port: number, Addr: [4]byte(net.ParseIP(host).To4())}
	if err := unix.Connect(fd, to); err != nil {
		b.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		b.Fatal(err)
	}
	d := &direct{descriptor: descriptor(fd), in: make([]byte, 64), topic: topic, payload: payload}
	connect := packet.Connect{ClientID: []byte("direct"), CleanSession: true}
	d.exchange(b, connect.Append(nil))
	return d
}

// exchange sends a packet and reads the four bytes of a CONNACK or PUBACK.
func (d *direct) exchange(b *testing.B, p []byte) {
	d.write(b, p)
	for n := 0; n < 4; {
		n += d.read(b, d.in[n:4])
	}
}

func (d *direct) publish(b *testing.B) {
	if d.id++; d.id == 0 {
		d.id = 1
	}
	m := packet.Publish{Topic: d.topic, Payload: d.payload, QoS: 1, ID: d.id}
	d.out = m.Append(d.out[:0])
	d.exchange(b, d.out)
	if got := uint16(d.in[2])<<8 | uint16(d.in[3]); d.in[0] != 0x40 || got != d.id {
		b.Fatalf("answered with % x, want the PUBACK of %d", d.in[:4], d.id)
	}
}

// board is the least that a board can be: a pty.
type board struct {
	descriptor
	frames        serialproto.Decoder
	in            []byte
	message, wire []byte
	packet        mqttsn.Packet
	id            uint16
	topicID       uint16
	payload       []byte
}

// plug makes a pty that umqttd finds at the path returned.
func plug(b *testing.B, payload []byte) (*board, string) {
	b.Helper()
	master, slave, err := cable.OpenPTY()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	link := filepath.Join(b.TempDir(), "board")
	if err := os.Symlink(slave.Name(), link); err != nil {
		b.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.SetNonblock(fd, false); err != nil {
		b.Fatal(err)
	}
	return &board{descriptor: descriptor(fd), in: make([]byte, 4096), payload: payload}, link
}

// connect begins a session and registers a topic.
func (d *board) connect(b *testing.B, clientID, topic string) {
	b.Helper()
	d.send(b, &mqttsn.Packet{Type: mqttsn.Connect, Flags: mqttsn.CleanSession, ClientID: []byte(clientID)})
	d.await(b, mqttsn.ConnAck)
	d.send(b, &mqttsn.Packet{Type: mqttsn.Register, MsgID: 1, Topic: []byte(topic)})
	d.topicID = d.await(b, mqttsn.RegAck).TopicID
}

func (d *board) send(b *testing.B, p *mqttsn.Packet) {
	d.message = p.Append(d.message[:0])
	d.wire = serialproto.AppendFrame(d.wire[:0], d.message)
	d.write(b, d.wire)
}

// await reads up to the next message of a type. It answers PINGREQ, as every board must: else its receive buffer counts as full.
func (d *board) await(b *testing.B, typ mqttsn.Type) *mqttsn.Packet {
	for {
		for ev, ok := d.frames.Next(); ok; ev, ok = d.frames.Next() {
			if ev.Kind != serialproto.Frame || mqttsn.Parse(ev.Body, &d.packet) != nil {
				continue
			}
			switch d.packet.Type {
			case typ:
				return &d.packet
			case mqttsn.PingReq:
				d.send(b, &mqttsn.Packet{Type: mqttsn.PingResp})
			}
		}
		n := d.read(b, d.in)
		d.frames.Feed(d.in[:n], time.Time{})
	}
}

func (d *board) publish(b *testing.B) {
	if d.id++; d.id == 0 {
		d.id = 1
	}
	d.send(b, &mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1, TopicID: d.topicID, MsgID: d.id, Data: d.payload})
	if p := d.await(b, mqttsn.PubAck); p.MsgID != d.id || p.ReturnCode != mqttsn.Accepted {
		b.Fatalf("answered with %+v, want the PUBACK of %d", *p, d.id)
	}
}
