package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/patience"
)

// TestNarrowerAllow: what a board with CleanSession=0 had subscribed, and may not any more
// when umqttd starts again, is taken back at the broker. The rest goes on.
func TestNarrowerAllow(t *testing.T) {
	t.Parallel()
	dir := file(t, "outbox")
	r := newRig(t, setup{broker: lasting, outbox: dir})
	b := r.board(board.Config{ClientID: "m5", AskSession: true})
	b.Subscribe("cmd/m5", 1)
	b.Subscribe("other/#", 1)
	patience.Wait(t, "both are granted", func() bool { return len(b.Events(board.Subscribed)) == 2 })
	r.gateway.Stop()
	r.gateway.Rewrite(fmt.Sprintf("broker: {url: %q, reconnect: {min: 20ms, max: 200ms}}\ngateway: gw\noutbox: {dir: %q}\n"+
		"devices: [{name: attic, port: %s, allow: {subscribe: [\"cmd/#\"]}}]\n", r.broker.URL(), dir, r.line.Path()))
	r.gateway.Restart()
	if ev := b.Wait(board.Connected, 2); !ev.SessionPresent {
		t.Error("the session was not said to be there")
	}
	patience.Wait(t, "the broker is asked", func() bool { return strings.Contains(r.broker.Log(), "Received UNSUBSCRIBE from m5") })
	r.publish("other/x", "forbidden")
	r.publish("cmd/m5", "allowed")
	b.Wait(board.Received, 1)
	wantOnce(t, received(b), []string{"allowed"})
}
