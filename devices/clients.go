package devices

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/umqttd/umqttd/devices/gateway"
)

// Clients keeps the client identifiers of all devices apart: an MQTT broker
// ends the older of two connections with one id, so two boards with one id
// would push each other out for ever.
type Clients struct {
	mu       sync.Mutex
	limit    int
	reserved map[string]string // client id to the device that may use it; "" is none
	live     map[string]string // client id to device
}

// NewClients returns a register for at most limit live boards. reserved maps
// client ids that only one device, or none (""), may use to that device.
func NewClients(limit int, reserved map[string]string) *Clients {
	return &Clients{limit: limit, reserved: maps.Clone(reserved), live: make(map[string]string)}
}

// Reserve replaces the limit and what NewClients was told of reserved ids. Boards that
// are live stay so, also above the limit. It fails, and changes nothing, if an id that no
// device may use is that of a live board: the gateway's own session would push it out,
// and it the gateway's. Boards of the devices in ending do not count, they are about to go.
func (c *Clients) Reserve(limit int, reserved map[string]string, ending []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, owner := range reserved {
		if device, live := c.live[id]; live && owner == "" && !slices.Contains(ending, device) {
			return fmt.Errorf("devices: client id %s is that of a board of device %s, which is connected", id, device)
		}
	}
	c.limit, c.reserved = limit, maps.Clone(reserved)
	return nil
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
