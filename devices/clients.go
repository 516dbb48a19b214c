package devices

import (
	"sync"

	"github.com/umqttd/umqttd/devices/gateway"
)

// Clients keeps the client identifiers of all devices apart: an MQTT broker
// ends the older of two connections with one id, so two boards with one id
// would push each other out for ever.
type Clients struct {
	mu    sync.Mutex
	limit int
	owner map[string]string // client id to device
	live  int
}

// NewClients returns a register for at most limit live boards. reserved maps
// client ids that only one device, or none (""), may use to that device.
func NewClients(limit int, reserved map[string]string) *Clients {
	c := &Clients{limit: limit, owner: make(map[string]string, len(reserved))}
	for id, device := range reserved {
		c.owner[id] = reservedPrefix + device
	}
	return c
}

// reservedPrefix marks an id that is reserved and not live. No device name
// begins so.
const reservedPrefix = "\x00"

// claim makes clientID live for a board of device, or says why it cannot be.
func (c *Clients) claim(clientID, device string) gateway.Reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	owner, taken := c.owner[clientID]
	switch {
	case taken && owner != reservedPrefix+device:
		return gateway.ReasonClientIDInUse
	case c.live >= c.limit:
		return gateway.ReasonTooManyNodes
	}
	c.live++
	c.owner[clientID] = device
	return gateway.NoReason
}

// release gives back what claim gave. reserved says that no other device may
// take the id even now.
func (c *Clients) release(clientID, device string, reserved bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live--
	if reserved {
		c.owner[clientID] = reservedPrefix + device
	} else {
		delete(c.owner, clientID)
	}
}
