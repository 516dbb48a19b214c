package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
)

const (
	temperatureConfig = "homeassistant/sensor/umqttd_gw/attic-temperature/config"
	fanConfig         = "homeassistant/switch/umqttd_gw/attic-fan/config"

	temperature = "temperature: {platform: sensor, state_topic: sensors/attic/temperature, unit_of_measurement: \"°C\"}"
	fan         = "fan: {platform: switch, command_topic: commands/attic/fan}"
)

// announcing is a device key with these entities.
func announcing(entities ...string) string {
	return "homeassistant: {device: {name: Attic}, entities: {" + strings.Join(entities, ", ") + "}}"
}

// announced is the newest message on a discovery topic, "" if it is none, or was removed.
func (s *subscriber) announced(topic string) string {
	if all := s.on(topic); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// waitAnnounced waits until a topic has a message that is not empty, the n-th.
func (s *subscriber) waitAnnounced(topic string, n int) string {
	s.t.Helper()
	patience.Wait(s.t, fmt.Sprintf("announcement %d on %s", n, topic), func() bool { return len(s.on(topic)) >= n && s.announced(topic) != "" })
	return s.announced(topic)
}

// waitRemoved waits until a topic is empty that was not.
func (s *subscriber) waitRemoved(topic string) {
	s.t.Helper()
	patience.Wait(s.t, topic+" is removed", func() bool { return len(s.on(topic)) > 0 && s.announced(topic) == "" })
}

// retained asks the broker, as a client that comes now, what it keeps.
func (r *rig) retained(id string) map[string]string {
	r.t.Helper()
	late := subscribe(r.t, r.broker, id, "#")
	publish(r.t, r.broker, "marks/"+id, []string{"all that is retained came before"})
	late.waitFor("marks/"+id, "all that is retained came before")
	kept := make(map[string]string)
	for _, m := range late.all() {
		if m.retain {
			kept[m.topic] = m.payload
		}
	}
	return kept
}

// TestHomeAssistant: what a device can do is announced, retained, and says by which topics
// it is available; those go offline with the board, and with a gateway that is killed.
func TestHomeAssistant(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{announcing(temperature, fan)}})
	judge := r.judge("#")
	var said struct {
		Availability []struct{ Topic string }
		Mode         string `json:"availability_mode"`
		StateTopic   string `json:"state_topic"`
	}
	if err := json.Unmarshal([]byte(judge.waitAnnounced(temperatureConfig, 1)), &said); err != nil {
		t.Fatal(err)
	}
	judge.waitAnnounced(fanConfig, 1)
	if len(said.Availability) != 2 || said.Mode != "all" || said.StateTopic != "sensors/attic/temperature" {
		t.Fatalf("%+v", said)
	}
	gateway, device := said.Availability[0].Topic, said.Availability[1].Topic
	judge.waitOn(gateway, "online")
	b := r.board(board.Config{ClientID: "m5"})
	judge.waitOn(device, "offline", "online")
	send(b, said.StateTopic, []string{"21.5"})
	judge.waitFor(said.StateTopic, "21.5")
	kept := r.retained("late")
	if kept[temperatureConfig] == "" || kept[fanConfig] == "" || kept[gateway] != "online" || kept[device] != "online" {
		t.Errorf("retained: %v", kept)
	}
	r.gateway.Kill()
	judge.waitOn(gateway, "online", "offline")
	r.gateway.Restart()
	judge.waitOn(gateway, "online", "offline", "online")
	if kept := r.retained("later"); kept[temperatureConfig] == "" {
		t.Errorf("retained after a restart: %v", kept)
	}
}

// TestHomeAssistantReload: a reload announces what differs and removes what is gone, and
// the board notices nothing.
func TestHomeAssistantReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{announcing(temperature, fan)}})
	judge := r.judge("#")
	judge.waitAnnounced(temperatureConfig, 1)
	judge.waitAnnounced(fanConfig, 1)
	b := r.board(board.Config{ClientID: "m5"})
	config := func(device ...string) string {
		return fmt.Sprintf("broker: {url: %q, reconnect: {min: 20ms, max: 200ms}}\ngateway: gw\ndevices: [{name: attic, port: %s%s}]\n",
			r.broker.URL(), r.line.Path(), strings.Join(append([]string{""}, device...), ", "))
	}
	r.reload(config(announcing(temperature)))
	judge.waitRemoved(fanConfig)
	r.reload(config(announcing(strings.Replace(temperature, "°C", "K", 1))))
	if got := judge.waitAnnounced(temperatureConfig, 2); !strings.Contains(got, `"K"`) {
		t.Errorf("announced anew: %s", got)
	}
	r.reload(config(strings.Replace(announcing(temperature), "{device:", "{prefix: ha, device:", 1)))
	judge.waitRemoved(temperatureConfig)
	const elsewhere = "ha/sensor/umqttd_gw/attic-temperature/config"
	judge.waitAnnounced(elsewhere, 1)
	r.reload(config())
	judge.waitRemoved(elsewhere)
	for topic := range r.retained("late") {
		if strings.HasSuffix(topic, "/config") {
			t.Errorf("%s is still there", topic)
		}
	}
	if n := len(b.Events(board.Connected)); n != 1 {
		t.Errorf("the board connected %d times: what Home Assistant is told is none of its business", n)
	}
}

// TestHomeAssistantEdited: what was taken out of the file while umqttd did not run is
// removed when it starts, and nothing of anybody else.
func TestHomeAssistantEdited(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{announcing(temperature, fan)}})
	judge := r.judge("homeassistant/#")
	judge.waitAnnounced(temperatureConfig, 1)
	judge.waitAnnounced(fanConfig, 1)
	const foreign, twin = "homeassistant/sensor/other/x/config", "homeassistant/sensor/umqttd_gw/x/config"
	publishWith(t, r.broker, foreign, []string{`{"origin":{"name":"umqttd"},"availability":[{"topic":"umqttd/gw/status"}]}`}, []string{"-r"})
	publishWith(t, r.broker, twin, []string{`{"origin":{"name":"umqttd"},"availability":[{"topic":"umqttd/g.w/status"}]}`}, []string{"-r"})
	config := fmt.Sprintf("broker: {url: %q}\ngateway: gw\ndevices: [{name: attic, port: %s%%s}]\n", r.broker.URL(), r.line.Path())
	r.gateway.Kill()
	r.gateway.Rewrite(fmt.Sprintf(config, ", "+announcing(temperature)))
	r.gateway.Restart()
	judge.waitRemoved(fanConfig)
	r.gateway.Stop()
	r.gateway.Rewrite(fmt.Sprintf(config, ""))
	r.gateway.Restart()
	judge.waitRemoved(temperatureConfig)
	if kept := r.retained("late"); kept[foreign] == "" || kept[twin] == "" {
		t.Errorf("retained: %v", kept)
	}
}

// TestHomeAssistantBrokerForgets: a broker that has forgotten everything is told again, and
// so is a Home Assistant that has started.
func TestHomeAssistantBrokerForgets(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{device: []string{announcing(temperature)}})
	judge := r.judge("homeassistant/#")
	judge.waitAnnounced(temperatureConfig, 1)
	r.gateway.WaitMetric("umqttd_gateway_connected", 1)
	r.broker.Kill()
	r.broker.Restart()
	judge.waitAnnounced(temperatureConfig, 2)
	if r.retained("late")[temperatureConfig] == "" {
		t.Error("the broker has it not retained")
	}
	n := len(judge.on(temperatureConfig))
	for tries := 0; len(judge.on(temperatureConfig)) <= n; tries++ {
		if tries == 100 {
			t.Fatal("Home Assistant has started, and is not told again")
		}
		publish(t, r.broker, "homeassistant/status", []string{"online"})
		publish(t, r.broker, "homeassistant/mark", []string{fmt.Sprint(tries)})
		judge.waitFor("homeassistant/mark", fmt.Sprint(tries))
	}
}

// TestHomeAssistantForbidden: a broker that does not let the gateway near discovery takes
// everything else as before.
func TestHomeAssistantForbidden(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{
		broker: mosquitto.Config{ACL: []string{"topic readwrite umqttd/#", "topic readwrite sensors/#"}},
		device: []string{announcing(temperature)},
	})
	judge := r.judge("sensors/#")
	r.gateway.WaitMetric("umqttd_gateway_connected", 1)
	b := r.board(board.Config{ClientID: "m5"})
	send(b, "sensors/attic/temperature", []string{"21.5"})
	judge.waitFor("sensors/attic/temperature", "21.5")
	patience.Wait(t, "umqttd gives up on announcements", func() bool { return r.gateway.Logged("hangs up on announcements") > 0 })
	r.gateway.WaitMetric("umqttd_gateway_connected", 1)
	b.Disconnect()
	statuses := subscribe(t, r.broker, "statuses", "umqttd/gw/attic/status")
	statuses.waitFor("umqttd/gw/attic/status", "offline")
	if n := r.gateway.Logged("gateway's own session is down"); n > 8 {
		t.Errorf("the session was cut %d times", n)
	}
}
