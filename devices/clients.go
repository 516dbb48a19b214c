package devices

import (
	"maps"
	"sync"

	"github.com/umqttd/umqttd/devices/gateway"
)

// Clients keeps the client identifiers of all devices apart: an MQTT broker
// ends the older of two connections with one id, so two boards with one id
// would push each other out for ever.
type Clients struct {
	limit    int
	reserved map[string]string // client id to the device that may use it; "" is none

	mu   sync.Mutex
	live map[string]string // client id to device
}

// NewClients returns a register for at most limit live boards. reserved maps
// client ids that only one device, or none (""), may use to that device.
func NewClients(limit int, reserved map[string]string) *Clients {
	return &Clients{limit: limit, reserved: maps.Clone(reserved), live: make(map[string]string)}
}

// claim makes clientID live for a board of device, or says why it cannot be.
func (c *Clients) claim(clientID, device string) gateway.Reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	owner, reserved := c.reserved[clientID]
	_, live := c.live[clientID]
	switch {
	case live, reserved && owner != device:
		return gateway.ReasonClientIDInUse
	case len(c.live) >= c.limit:
		return gateway.ReasonTooManyNodes
	}
	c.live[clientID] = device
	return gateway.NoReason
}

// release gives back what claim gave.
func (c *Clients) release(clientID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, clientID)
}

// releaseAll gives back what a device has claimed and did not release.
func (c *Clients) releaseAll(device string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.live, func(_, owner string) bool { return owner == device })
}
