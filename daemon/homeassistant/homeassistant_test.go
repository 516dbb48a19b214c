package homeassistant

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/daemon/config"
)

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, _, err := config.Parse("test.yaml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// entity is what a message must hold whatever its platform. It is strict: what is written
// here must be there.
type entity struct {
	UniqueID string `json:"unique_id"`
	Name     string
	Device   struct {
		Identifiers []string
		Name        string
	}
	Origin struct {
		Name       string
		SWVersion  string `json:"sw_version"`
		SupportURL string `json:"support_url"`
	}
	Availability     []map[string]string
	AvailabilityMode string `json:"availability_mode"`
}

// TestPayloads: the whole of two messages, byte by byte.
func TestPayloads(t *testing.T) {
	a := Announcements(parse(t, `
gateway: pi.attic
devices:
  - name: green-house
    port: /dev/a
    homeassistant:
      prefix: ha/x
      device: {name: Greenhouse, model: Pico W, suggested_area: Garden}
      entities:
        soil_moisture: {platform: sensor, state_topic: s/m, unit_of_measurement: "%", expire_after: 60}
        fan: {platform: switch, name: Big fan, command_topic: c/f, optimistic: false}
  - {name: silent, port: /dev/b, homeassistant: {}}
`), "1.2.3")
	const common = `"availability":[{"topic":"umqttd/pi.attic/status"},{"topic":"umqttd/pi.attic/green-house/status"}],"availability_mode":"all",`
	const rest = `"device":{"identifiers":["umqttd/pi.attic/green-house"],"model":"Pico W","name":"Greenhouse","suggested_area":"Garden"},`
	const origin = `"origin":{"name":"umqttd","support_url":"https://github.com/umqttd/umqttd","sw_version":"1.2.3"}`
	want := map[string]string{
		"ha/x/sensor/umqttd_pi-attic/green-house-soil_moisture/config": `{` + common + rest + `"expire_after":60,"name":"Soil moisture",` + origin +
			`,"state_topic":"s/m","unique_id":"umqttd/pi.attic/green-house/soil_moisture","unit_of_measurement":"%"}`,
		"ha/x/switch/umqttd_pi-attic/green-house-fan/config": `{` + common + `"command_topic":"c/f",` + rest + `"name":"Big fan","optimistic":false,` + origin +
			`,"unique_id":"umqttd/pi.attic/green-house/fan"}`,
	}
	for topic, payload := range a.Messages {
		if string(payload) != want[topic] {
			t.Errorf("%s: got\n%s\nwant\n%s", topic, payload, want[topic])
		}
		delete(want, topic)
	}
	for topic := range want {
		t.Errorf("%s is missing", topic)
	}
	if got := strings.Join(a.Earlier, " "); got != "homeassistant/+/umqttd_pi-attic/+/config ha/x/+/umqttd_pi-attic/+/config" {
		t.Errorf("looks for %s", got)
	}
	if got := strings.Join(a.Status, " "); got != "homeassistant/status ha/x/status" {
		t.Errorf("listens to %s", got)
	}
}

// TestRequirements holds the example, which has every platform, to what Home Assistant's
// documentation of MQTT discovery demands of any message:
//
//   - "<discovery_prefix>/<component>/[<node_id>/]<object_id>/config", with ids of
//     [a-zA-Z0-9_-] only
//   - device: at least one identifier; entities of a device need a unique_id
//   - origin: name is required, support_url is a URL
//   - availability: a list of topics, which excludes availability_topic; availability_mode
//     is all, any or latest
//   - topics without wildcards, qos 0 to 2
func TestRequirements(t *testing.T) {
	text, err := os.ReadFile("../../configs/home-assistant.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a := Announcements(parse(t, string(text)), "1.2.3")
	topics := regexp.MustCompile(`^homeassistant/(binary_sensor|button|light|number|select|sensor|switch|text)/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config$`)
	ids := make(map[string]bool)
	for topic, payload := range a.Messages {
		if !topics.MatchString(topic) {
			t.Errorf("%s: Home Assistant does not look there", topic)
		}
		var e entity
		var all map[string]any
		if err := json.Unmarshal(payload, &e); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(payload, &all); err != nil {
			t.Fatal(err)
		}
		if e.UniqueID == "" || ids[e.UniqueID] || e.Name == "" {
			t.Errorf("%s: unique_id %q, name %q", topic, e.UniqueID, e.Name)
		}
		ids[e.UniqueID] = true
		if len(e.Device.Identifiers) != 1 || e.Device.Name != "Greenhouse" || e.Origin.Name != "umqttd" || !strings.HasPrefix(e.Origin.SupportURL, "https://") {
			t.Errorf("%s: device %+v, origin %+v", topic, e.Device, e.Origin)
		}
		if e.AvailabilityMode != "all" || len(e.Availability) != 2 || all["availability_topic"] != nil {
			t.Errorf("%s: availability %s %v", topic, e.AvailabilityMode, e.Availability)
		}
		for key, value := range all {
			if s, ok := value.(string); strings.HasSuffix(key, "_topic") && (!ok || s == "" || strings.ContainsAny(s, "+#")) {
				t.Errorf("%s: %s is %v", topic, key, value)
			}
		}
		if all["platform"] != nil {
			t.Errorf("%s: platform stands in the topic", topic)
		}
	}
	if len(a.Messages) < 9 {
		t.Errorf("only %d messages", len(a.Messages))
	}
}

// TestOurs: of what stands retained, a gateway knows its own.
func TestOurs(t *testing.T) {
	config := func(gateway string) string {
		return "gateway: " + gateway + "\ndevices: [{name: a, port: /dev/a, homeassistant: {entities: {t: {platform: sensor, state_topic: t}}}}]\n"
	}
	mine := Announcements(parse(t, config("pi.attic")), "1")
	for _, other := range []string{"pi-attic", "pi.attic2", "pi"} {
		for _, payload := range Announcements(parse(t, config(other)), "1").Messages {
			if mine.Ours(payload) {
				t.Errorf("takes that of %s for its own", other)
			}
		}
	}
	for _, payload := range Announcements(parse(t, config("pi.attic")), "2").Messages {
		if !mine.Ours(payload) {
			t.Error("does not know its own of another version")
		}
	}
	for _, foreign := range []string{"", "{", "[]", `{"origin":"umqttd"}`, `{"origin":{"name":"Zigbee2MQTT"},"availability":[{"topic":"umqttd/pi.attic/status"}]}`} {
		if mine.Ours([]byte(foreign)) {
			t.Errorf("takes %q for its own", foreign)
		}
	}
}

// TestNothingToSay: without the gateway's own session there is nobody to say it, and
// without entities nothing; earlier announcements are looked for all the same.
func TestNothingToSay(t *testing.T) {
	if a := Announcements(parse(t, `gateway: ""`), "1"); a != nil {
		t.Errorf("%+v", a)
	}
	a := Announcements(parse(t, `gateway: gw`), "1")
	if a.Wanted || len(a.Messages) > 0 || !slices.Equal(a.Earlier, []string{"homeassistant/+/umqttd_gw/+/config"}) {
		t.Errorf("%+v", a)
	}
}
