package config

import "testing"

func TestExpand(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"plain":                   "plain",
		"${HOST}":                 "broker.example.org",
		"mqtt://${HOST}:1":        "mqtt://broker.example.org:1",
		"${HOST}${BAUD}":          "broker.example.org9600",
		"${EMPTY}":                "",
		"${EMPTY:-x}":             "x",
		"${NOWHERE:-}":            "",
		"${NOWHERE:-a b:-c$}":     "a b:-c$",
		"${HOST:-x}":              "broker.example.org",
		"${DOLLAR}":               "${HOST}",
		"$SYS/#":                  "$SYS/#",
		"$":                       "$",
		"$$":                      "$",
		"$${HOST}":                "${HOST}",
		"$$${HOST}":               "$broker.example.org",
		"${NOWHERE:-${HOST}":      "${HOST",
		"price: 5$ or $HOST $_ }": "price: 5$ or $HOST $_ }",
	} {
		if got, wrong, _ := expand(in, getenv); got != want || wrong != "" {
			t.Errorf("%q: got %q (%s), want %q", in, got, wrong, want)
		}
	}
	for _, in := range []string{"${NOWHERE}", "${", "${}", "${1}", "${A-B}", "${A:?x}", "${HOST", "${ HOST}", "${:-x}"} {
		if got, wrong, _ := expand(in, getenv); wrong == "" {
			t.Errorf("%q: got %q, want a fault", in, got)
		}
	}
}

// A variable may stand for a value of any type, in the main file and in others.
func TestVariablesOfEveryType(t *testing.T) {
	path := folder(t, map[string]string{
		"umqttd.yaml": `
broker: {url: "mqtt://${HOST}", keepalive: "${NOWHERE:-5s}", max_inflight: "${INFLIGHT:-3}"}
outbox: {max_bytes: "${SIZE:-2MiB}", when_full: "${FULL:-drop_oldest}"}
http: {show_payloads: "${YES}"}
devices_dir: ${FOLDER:-boards}
`,
		"boards/a.yaml": "name: ${NOWHERE:-a}\nport: /dev/a\nbaud: ${BAUD}\nallow: {publish: [\"$share/x\", \"${HOST}/#\"]}\ntopics: {1: \"${HOST}\"}\n",
	})
	c, _, err := Load(path, getenv)
	if err != nil {
		t.Fatal(err)
	}
	if c.Broker.URL != "mqtt://broker.example.org" || c.Broker.KeepAlive != 5e9 || c.Broker.MaxInflight != 3 || c.Outbox.MaxBytes != 2<<20 ||
		c.Outbox.WhenFull != DropOldest || !c.HTTP.ShowPayloads {
		t.Errorf("%+v", c)
	}
	dev := c.Devices[0]
	if dev.Name != "a" || dev.Port.Baud != 9600 || dev.Allow.Publish[0] != "$share/x" || dev.Allow.Publish[1] != "broker.example.org/#" ||
		dev.Topics[1] != "broker.example.org" {
		t.Errorf("%+v", dev)
	}
}
