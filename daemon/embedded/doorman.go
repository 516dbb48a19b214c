package embedded

import (
	"log/slog"
	"slices"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"golang.org/x/time/rate"
)

// doorman is the hook that decides who comes in, and that says so when the broker drops a message.
type doorman struct {
	mqtt.HookBase
	users *users // nil lets everybody in
	log   *slog.Logger
	drops rate.Sometimes
}

func newDoorman(users *users, log *slog.Logger) *doorman {
	return &doorman{users: users, log: log, drops: rate.Sometimes{Interval: 10 * time.Second}}
}

// ID names the hook in the broker's own log.
func (d *doorman) ID() string { return "doorman" }

// Provides says which events the hook takes part in.
func (d *doorman) Provides(event byte) bool {
	return slices.Contains([]byte{mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPublishDropped}, event)
}

// OnConnectAuthenticate says whether a client may connect.
func (d *doorman) OnConnectAuthenticate(client *mqtt.Client, connect packets.Packet) bool {
	if d.users == nil || client.Net.Listener == inside {
		return true
	}
	if d.users.allow(string(connect.Connect.Username), connect.Connect.Password) {
		return true
	}
	d.log.Warn("client refused, wrong user or password", "user", string(connect.Connect.Username), "remote", client.Net.Remote)
	return false
}

// OnACLCheck lets every client that came in publish and subscribe to everything; what a board may do is decided by its device's allow.
func (d *doorman) OnACLCheck(*mqtt.Client, string, bool) bool { return true }

// OnPublishDropped is called when a client reads so slowly that its queue is full.
func (d *doorman) OnPublishDropped(client *mqtt.Client, packet packets.Packet) {
	d.drops.Do(func() {
		d.log.Warn("client reads too slowly, message dropped", "client", client.ID, "topic", packet.TopicName)
	})
}
