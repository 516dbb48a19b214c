package fakebroker

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing/synctest"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

var idWord = regexp.MustCompile(`\bid=\d+`)

// Want reads the next packet and compares it with line, which is written as Packet.String says. Where line has id=*, any identifier is right.
func (c *Conn) Want(line string) Packet {
	c.b.t.Helper()
	p := c.read(line)
	got := p.String()
	if strings.Contains(line, "id=*") {
		got = idWord.ReplaceAllString(got, "id=*")
	}
	if got != line {
		c.b.t.Fatalf("fakebroker: connection %d received\n     %s\nwant %s", c.index, p, line)
	}
	return p
}

// WantType reads the next packet, which must be of a type.
func (c *Conn) WantType(typ packet.Type) Packet {
	c.b.t.Helper()
	p := c.read(typ.String())
	if p.Type != typ {
		c.b.t.Fatalf("fakebroker: connection %d received\n     %s\nwant %s", c.index, p, typ)
	}
	return p
}

// WantConnect reads a CONNECT.
func (c *Conn) WantConnect() packet.Connect {
	c.b.t.Helper()
	return c.WantType(packet.CONNECT).Connect
}

// WantPublish reads a PUBLISH.
func (c *Conn) WantPublish() packet.Publish {
	c.b.t.Helper()
	return c.WantType(packet.PUBLISH).Publish
}

// WantClosed waits until the client has closed the connection, with no packet before that. Half a packet may come: a client may be cut off.
func (c *Conn) WantClosed() {
	c.b.t.Helper()
	c.scripted()
	p, err := c.receive()
	switch {
	case err == nil:
		c.b.t.Fatalf("fakebroker: connection %d received\n     %s\nwant its end", c.index, p)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.b.t.Fatalf("fakebroker: connection %d still open after %v, want its end", c.index, c.b.config.Patience)
	case errors.Is(err, errViolation):
		c.b.t.FailNow()
	}
}

// WantIdle checks that nothing more comes: it lets the synctest bubble come to rest, without time passing, and then looks. In memory only.
func (c *Conn) WantIdle() {
	c.b.t.Helper()
	c.scripted()
	pipe, ok := c.raw.(*PipeConn)
	if !ok {
		c.b.t.Fatal("fakebroker: WantIdle works in memory only; on a socket nobody knows what is under way")
	}
	synctest.Wait()
	n, ended := pipe.Buffered()
	if n += len(c.unread); n > 0 {
		c.b.t.Fatalf("fakebroker: connection %d received\n     %v\nwant nothing", c.index, c.read("nothing"))
	}
	if ended {
		c.b.t.Fatalf("fakebroker: connection %d was closed by the client, want it idle", c.index)
	}
}

// read reads a packet for a script.
func (c *Conn) read(want string) Packet {
	c.b.t.Helper()
	c.scripted()
	p, err := c.receive()
	if err != nil {
		c.b.t.Fatalf("fakebroker: connection %d: %v; want %s", c.index, err, want)
	}
	return p
}

// scripted makes sure that nobody else reads.
func (c *Conn) scripted() {
	c.b.t.Helper()
	if c.served {
		c.b.t.Fatalf("fakebroker: connection %d is served by a Behavior, which reads it already", c.index)
	}
}

// Connack answers CONNECT.
func (c *Conn) Connack(sessionPresent bool, code packet.ReturnCode) {
	c.b.t.Helper()
	c.SendRaw(packet.Connack{SessionPresent: sessionPresent, Code: code}.Append(nil))
}

// Puback acknowledges PUBLISH packets, in this order.
func (c *Conn) Puback(ids ...uint16) {
	c.b.t.Helper()
	var raw []byte
	for _, id := range ids {
		c.free(id, packet.PUBLISH)
		raw = packet.AppendPuback(raw, id)
	}
	c.SendRaw(raw)
}

// Suback answers SUBSCRIBE.
func (c *Conn) Suback(id uint16, codes ...byte) {
	c.b.t.Helper()
	c.free(id, packet.SUBSCRIBE)
	c.SendRaw(packet.AppendSuback(nil, id, codes...))
}

// Unsuback answers UNSUBSCRIBE.
func (c *Conn) Unsuback(id uint16) {
	c.b.t.Helper()
	c.free(id, packet.UNSUBSCRIBE)
	c.SendRaw(packet.AppendUnsuback(nil, id))
}

// Pingresp answers PINGREQ.
func (c *Conn) Pingresp() {
	c.b.t.Helper()
	c.SendRaw(packet.AppendPingresp(nil))
}

// Publish sends messages to the client, in one go.
func (c *Conn) Publish(messages ...packet.Publish) {
	c.b.t.Helper()
	c.SendRaw(appendMessages(nil, messages))
}

// SendRaw sends bytes as they are, which need not be MQTT. It blocks while the buffer is full. That the client closes meanwhile, or that a cut
// was to come, is no fault of the test.
func (c *Conn) SendRaw(raw []byte) {
	c.b.t.Helper()
	if err := c.write(raw); errors.Is(err, os.ErrDeadlineExceeded) {
		c.b.t.Fatalf("fakebroker: connection %d: client has not read for %v", c.index, c.b.config.Patience)
	}
}

func appendMessages(raw []byte, messages []packet.Publish) []byte {
	for i := range messages {
		raw = messages[i].Append(raw)
	}
	return raw
}
