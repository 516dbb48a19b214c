package packet

import (
	"fmt"
	"strconv"
)

// The bits of CONNECT's connect flags. MQTT 3.1.1 section 3.1.2.3.
const (
	flagUsername   = 0x80
	flagPassword   = 0x40
	flagWillRetain = 0x20
	flagWill       = 0x04
	flagClean      = 0x02
	flagReserved   = 0x01
)

// Connect is the first packet a client sends. MQTT 3.1.1 section 3.1.
type Connect struct {
	ClientID     []byte // empty only with CleanSession [MQTT-3.1.3-7]
	KeepAlive    uint16 // seconds; 0 turns the mechanism off
	CleanSession bool

	HasWill    bool // the four fields below count
	WillRetain bool
	WillQoS    byte // 0, 1 or 2
	WillTopic  []byte
	Will       []byte // the will message's payload

	HasUsername bool
	HasPassword bool // only with HasUsername [MQTT-3.1.2-22]
	Username    []byte
	Password    []byte
}

// Append appends the packet to dst.
func (c *Connect) Append(dst []byte) []byte {
	body := 10 + 2 + len(c.ClientID)
	var flags byte
	if c.CleanSession {
		flags |= flagClean
	}
	if c.HasWill {
		flags |= flagWill | c.WillQoS<<3
		if c.WillRetain {
			flags |= flagWillRetain
		}
		body += 2 + len(c.WillTopic) + 2 + len(c.Will)
	}
	if c.HasUsername {
		flags |= flagUsername
		body += 2 + len(c.Username)
	}
	if c.HasPassword {
		flags |= flagPassword
		body += 2 + len(c.Password)
	}
	dst = appendHeader(dst, byte(CONNECT)<<4, body)
	dst = append(dst, 0, 4, 'M', 'Q', 'T', 'T', 4, flags)
	dst = appendUint16(dst, c.KeepAlive)
	dst = appendBinary(dst, c.ClientID) // the order is fixed [MQTT-3.1.3-1]
	if c.HasWill {
		dst = appendBinary(dst, c.WillTopic)
		dst = appendBinary(dst, c.Will)
	}
	if c.HasUsername {
		dst = appendBinary(dst, c.Username)
	}
	if c.HasPassword {
		dst = appendBinary(dst, c.Password)
	}
	return dst
}

// ParseConnect decodes a CONNECT packet. Its slices alias p.
func ParseConnect(p []byte) (Connect, error) {
	d := open(p, CONNECT)
	off := d.off
	if name := d.binary("protocol name"); d.err == nil && string(name) != "MQTT" {
		d.fail("protocol name", off, fmt.Sprintf("is %q", name)) // [MQTT-3.1.2-1]
	}
	if level := d.byte("protocol level"); d.err == nil && level != 4 {
		d.fail("protocol level", d.off-1, "is "+strconv.Itoa(int(level))) // [MQTT-3.1.2-2]
	}
	flags := d.connectFlags()
	c := Connect{
		KeepAlive:    d.uint16("keep alive"),
		ClientID:     d.checked("client identifier", CheckText),
		CleanSession: flags&flagClean != 0,
		HasWill:      flags&flagWill != 0,
		HasUsername:  flags&flagUsername != 0,
		HasPassword:  flags&flagPassword != 0,
	}
	if c.HasWill {
		c.WillQoS = flags >> 3 & 3
		c.WillRetain = flags&flagWillRetain != 0
		c.WillTopic = d.checked("will topic", CheckTopic)
		c.Will = d.binary("will message")
	}
	if c.HasUsername {
		c.Username = d.checked("user name", CheckText)
	}
	if c.HasPassword {
		c.Password = d.binary("password")
	}
	if err := d.end(); err != nil {
		return Connect{}, err
	}
	return c, nil
}

// connectFlags reads and checks the connect flags.
func (d *decoder) connectFlags() byte {
	f := d.byte("connect flags")
	if d.err != nil {
		return 0
	}
	switch off := d.off - 1; {
	case f&flagReserved != 0:
		d.fail("connect flags", off, "have the reserved bit set") // [MQTT-3.1.2-3]
	case f&flagWill == 0 && f&(flagWillRetain|0x18) != 0:
		d.fail("connect flags", off, "have will QoS or retain without a will") // [MQTT-3.1.2-13] [MQTT-3.1.2-15]
	case f&0x18 == 0x18:
		d.fail("connect flags", off, "have will QoS 3") // [MQTT-3.1.2-14]
	case f&flagPassword != 0 && f&flagUsername == 0:
		d.fail("connect flags", off, "have a password without a user name") // [MQTT-3.1.2-22]
	}
	return f
}

// ReturnCode is a server's answer to CONNECT. MQTT 3.1.1 section 3.2.2.3.
type ReturnCode byte

// The return codes; 6 and above are reserved.
const (
	Accepted            ReturnCode = 0
	RefusedVersion      ReturnCode = 1
	RefusedClientID     ReturnCode = 2
	RefusedUnavailable  ReturnCode = 3
	RefusedCredentials  ReturnCode = 4
	RefusedUnauthorized ReturnCode = 5
)

var returnCodes = [...]string{
	"accepted", "unacceptable protocol version", "identifier rejected",
	"server unavailable", "bad user name or password", "not authorized",
}

// String returns the standard's words for the code.
func (c ReturnCode) String() string {
	if int(c) < len(returnCodes) {
		return returnCodes[c]
	}
	return "return code " + strconv.Itoa(int(c))
}

// Connack is a server's answer to CONNECT, its first packet. [MQTT-3.2.0-1]
type Connack struct {
	SessionPresent bool
	Code           ReturnCode
}

// Append appends the packet to dst.
func (c Connack) Append(dst []byte) []byte {
	var sp byte
	if c.SessionPresent {
		sp = 1
	}
	return append(dst, byte(CONNACK)<<4, 2, sp, byte(c.Code))
}

// ParseConnack decodes a CONNACK packet.
func ParseConnack(p []byte) (Connack, error) {
	d := open(p, CONNACK)
	flags := d.byte("acknowledge flags")
	if d.err == nil && flags > 1 {
		d.fail("acknowledge flags", d.off-1, "have a reserved bit set")
	}
	c := Connack{flags == 1, ReturnCode(d.byte("return code"))}
	if d.err == nil && c.Code > RefusedUnauthorized {
		d.fail("return code", d.off-1, strconv.Itoa(int(c.Code))+" is reserved")
	}
	if d.err == nil && c.Code != Accepted && c.SessionPresent {
		d.fail("session present", d.off-2, "is set in a refusal") // [MQTT-3.2.2-4]
	}
	if err := d.end(); err != nil {
		return Connack{}, err
	}
	return c, nil
}
