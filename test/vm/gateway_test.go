//go:build vm

package vm

import (
	"fmt"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/umqttd"
)

// site is the real umqttd with its embedded broker, a board behind an adapter, and somebody who looks at the broker.
type site struct {
	*rig
	gateway *umqttd.Gateway
	board   *simulated
	judge   *judge
	sent    int
}

const brokerAddress = "127.0.0.1:1883"

// newSite starts it all and waits until the board is connected. The one transfer that moves modem lines is the kernel's at the first opening.
func newSite(r *rig) *site {
	r.Helper()
	config := fmt.Sprintf(`
broker: {url: embedded, reconnect: {min: 20ms, max: 200ms}}
embedded_broker: {listen: %q}
devices: [{name: attic, usb: {vid: %q, pid: %q, serial: %q}}]
gateway: vm
`, brokerAddress, r.adapter.VID, r.adapter.PID, r.adapter.Serial)
	s := &site{rig: r, board: newBoard(r, r.uart(), board.Config{ClientID: "m5", KeepAlive: 30 * time.Second})}
	s.gateway = umqttd.Start(r, program, config)
	s.judge = newJudge(r, "mqtt://"+brokerAddress)
	s.gateway.WaitMetric(up, 1)
	s.wantEdges("the first start", raised)
	s.wantServed("after the first start")
	return s
}

// up is 1 while the port is open.
const up = `umqttd_device_up{device="attic"}`

// wantServed fails unless a message of the board reaches the broker and its PUBACK the board, without a move of the modem lines.
func (s *site) wantServed(when string) {
	s.Helper()
	s.sent++
	payload := fmt.Sprint(s.sent)
	began := time.Now()
	s.board.do(func(b *board.Board) error {
		return b.Publish(board.Message{Topic: "m5/t", Data: []byte(payload), QoS: 1, Retain: true})
	})
	s.board.await("the PUBACK "+when, board.Published, s.sent)
	s.Logf("%s: PUBACK after %v", when, time.Since(began))
	s.judge.want("m5/t", payload)
	s.wantEdges(when)
}

// TestGateway runs umqttd as it is shipped: a frame goes in, its PUBACK comes out, and no way to end or start it moves a modem line. The board, which is never reset, goes on.
func TestGateway(t *testing.T) {
	both(t, func(r *rig) {
		s := newSite(r)

		s.gateway.Stop()
		s.wantEdges("SIGTERM")
		s.gateway.Restart()
		s.wantServed("after SIGTERM and start")

		s.gateway.Kill()
		s.wantEdges("SIGKILL")
		s.gateway.Restart()
		s.wantServed("after SIGKILL and start")
	})
}

// TestGatewayReplug pulls the cable of a board that keeps its power, and puts it back.
func TestGatewayReplug(t *testing.T) {
	both(t, func(r *rig) {
		s := newSite(r)
		for range 2 {
			s.unplug(s.adapter)
			s.gateway.WaitMetric(up, 0)
			s.plug(s.adapter, 0)
			s.gateway.WaitMetric(up, 1)
			s.wantEdges("the first open after plugging in", raised)
			s.wantServed("plugged in again")
		}
	})
}

// TestGatewayEndsBesideAStalledBoard ends umqttd while the driver holds bytes that the board does not take, for which a close waits 30 s: it goes all the same, and its successor serves the board.
func TestGatewayEndsBesideAStalledBoard(t *testing.T) {
	both(t, func(r *rig) {
		s := newSite(r)
		s.board.do(func(b *board.Board) error { return b.Subscribe("cmd", 1) })
		s.board.await("the SUBACK", board.Subscribed, 1)
		for i, end := range []func(){s.gateway.Stop, s.gateway.Kill} {
			s.adapter.Stall(true)
			s.judge.publish("cmd", "on")
			s.gateway.WaitMetricAtLeast(`umqttd_retransmits_total{device="attic",direction="downlink"}`, 1)
			began := time.Now()
			end()
			wantWithin(s, "ending", umqttd.StopTime, began)
			s.adapter.Stall(false)
			s.gateway.Restart()
			s.board.await("the SUBACK", board.Subscribed, i+2)
			s.wantServed("after the board takes bytes again")
		}
	})
}
