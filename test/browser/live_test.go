package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
)

// TestLive watches a page that nobody reloads: a board that comes, its messages and numbers, its sleep, a cable that is pulled, and a gateway that is started anew.
func TestLive(t *testing.T) {
	t.Parallel()
	r := newRig(t, []string{"attic", "barn"}, "outbox: {dir: "+t.TempDir()+"}")
	w := r.open("/", look{})
	w.wait("#connection", "live")
	w.wait("#device-attic", "No board is connected. Nothing has come from this port yet")
	eval[bool](w, "window.same = true")
	b := r.board("attic", "attic-1")
	w.wait("#device-attic tbody", "connected")
	for i := range 7 {
		publish(b, "attic/temperature", fmt.Sprint(20+i))
	}
	w.wait("#device-attic .topics li", "attic/temperature")
	w.wait("#device-attic .topics .size", "2 B")
	w.wait(`#device-attic [data-label="From board"]`, "7")
	w.wait(`#device-attic [data-label="Last minute"]`, "7")
	w.wait("#top", "7 messages in the last minute")
	w.wait("#device-attic .hops", "max") // a line is drawn
	if n := eval[int](w, `document.querySelectorAll("#device-attic .spark polyline").length`); n < 1 {
		t.Error("no latency is drawn")
	}
	b.Subscribe("commands/attic", 1)
	r.tell("commands/attic", "open")
	w.wait("#device-attic .topics li", "commands/attic") // the newest is the first
	b.Sleep(time.Hour)
	w.wait("#device-attic tbody .pill", "asleep")
	if got := w.text("#device-attic .head .pill"); got != "up" {
		t.Errorf("the port of a board that sleeps is %q", got)
	}
	publish(r.board("barn", "barn-1"), "barn/door", "shut")
	w.wait("#top", "2 boards connected")
	r.lines["barn"].Unplug()
	w.wait("#device-barn .head", "down")
	w.wait("#device-barn .problem", "no such port")
	w.wait("#top .warn", "1 of 2 devices up")
	r.lines["barn"].Plug()
	w.wait("#device-barn .head", "up")
	w.wait("#top", "2 of 2 devices up")

	w.mayLose()
	r.gateway.Stop()
	w.wait("#connection", "Connection lost.")
	w.wantSound("connection lost", true)
	w.keep("lost")
	r.gateway.Restart()
	w.wait("#connection", "live")
	w.wait("#device-attic tbody .pill", "asleep") // it has not noticed
	r.gateway.WaitMetric(`umqttd_board_connected{device="attic"}`, 1)
	r.lines["attic"].Unplug() // native USB does that when a board sleeps
	w.wait("#device-attic .head", "down")
	w.wait("#device-attic tbody .pill", "asleep")
	r.lines["attic"].Plug()
	w.wait("#device-attic .head", "up")
	b.Start()
	b.Wait(board.Connected, 2)
	w.wait("#device-attic tbody .pill", "connected")
	publish(b, "attic/after", "all")
	w.wait("#device-attic .topics li", "attic/after")
	if !eval[bool](w, "window.same === true") {
		t.Error("the page was loaded anew")
	}
}

// TestOutboxIsSeen stops the broker: what waits is counted where a person looks first, and no more when it has gone out.
func TestOutboxIsSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t, []string{"attic"}, "outbox: {dir: "+t.TempDir()+", spill_after: 10ms}")
	w := r.open("/", look{})
	b := r.board("attic", "attic-1")
	w.wait("#top", "1 of 1 with the broker")
	r.broker.Stop()
	w.wait("#device-attic tbody", "broker offline")
	w.wait("#top", "0 of 1 with the broker")
	for i := range 3 {
		publish(b, "attic/temperature", fmt.Sprint(i))
	}
	w.wait("#top", "3 in the outbox")
	w.wait("#device-attic .counts .warn", "3")
	w.wantSound("outbox", true)
	w.keep("outbox")
	r.broker.Restart()
	w.wait("#top", "1 of 1 with the broker")
	w.wait("#device-attic tbody", "3")
	r.gateway.WaitMetric(`umqttd_outbox_messages{device="attic"}`, 0)
	w.wait("#device-attic .counts", "in the outbox\n0")
}

// TestDevicesComeAndGo reloads the configuration under a page: what is new appears in its place, what is gone goes, and the page of what is gone says so.
func TestDevicesComeAndGo(t *testing.T) {
	t.Parallel()
	r := newRig(t, []string{"attic", "barn"})
	w, own := r.open("/", look{}), r.open("/devices/barn", look{})
	w.wait("#device-barn", "barn")
	own.wait("#connection", "live")
	own.mayLose()
	shed := cable.New(t)
	r.reload(fmt.Sprintf("devices: [{name: shed, port: %s}, {name: attic, port: %s}]", shed.Path(), r.lines["attic"].Path()))
	w.wait("#device-shed .head", "up")
	w.wait("#devices > :first-child h2", "shed")
	if got := eval[int](w, `document.querySelectorAll("#devices > *").length`); got != 2 {
		t.Errorf("%d devices are shown, want 2:\n%s", got, w.text("#devices"))
	}
	own.wait("#connection", "Connection lost.")
}
