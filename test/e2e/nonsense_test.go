package e2e

import (
	"strings"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/umqttd"
)

// TestBrokerSendsNonsense closes a connection on which something comes that is not MQTT 3.1.1, says so once, and makes it again; the board does not notice.
func TestBrokerSendsNonsense(t *testing.T) {
	for name, nonsense := range map[string]string{
		"reserved type":         "\x00\x00",
		"CONNACK again":         "\x20\x02\x00\x00",
		"from a client only":    "\x82\x06\x00\x01\x00\x01a\x00",
		"endless length":        "\x30\xff\xff\xff\xff\x01",
		"QoS 3":                 "\x36\x05\x00\x01a\x00\x01",
		"topic not UTF-8":       "\x30\x04\x00\x02\xff\xfe",
		"topic with a wildcard": "\x30\x03\x00\x01#",
		"PUBLISH with id 0":     "\x32\x05\x00\x01a\x00\x00",
		"PUBACK cut short":      "\x40\x01\x00",
		"HTTP":                  "HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := fakebroker.NewTCP(t, fakebroker.Config{})
			broker.Serve(func(n int) fakebroker.Behavior {
				if n == 0 {
					return fakebroker.Behavior{Raw: []byte(nonsense)}
				}
				return fakebroker.Behavior{}
			})
			line := cable.New(t)
			gateway := umqttd.Start(t, program, `
broker: {url: "mqtt://`+broker.Addr()+`", reconnect: {min: 1ms, max: 10ms}}
gateway: ""
devices: [{name: attic, port: `+line.Path()+`}]
`)
			b := cable.NewBoard(t, line, board.Config{ClientID: "m5"})
			b.Wait(board.Connected, 1)
			broker.Wait(packet.CONNECT, 2)
			sent := numbered("up", 20)
			send(b, "m5/t", sent)
			b.WaitAcknowledged()
			wantUndisturbed(t, b)
			var warnings []string
			for line := range strings.Lines(gateway.Log()) {
				if strings.Contains(line, "WARN") || strings.Contains(line, "ERROR") {
					warnings = append(warnings, line)
				}
			}
			if len(warnings) != 1 {
				t.Errorf("the log warns %d times, want once: %q", len(warnings), warnings)
			}
		})
	}
}
