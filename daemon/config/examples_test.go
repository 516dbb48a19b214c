package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/configs"
)

const examples = "../../configs/"

// read returns the text of an example.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The examples pass the schema and name it in their first line, for the editor.
func TestExamplesPassTheSchema(t *testing.T) {
	schema := compiled(t)
	names, err := filepath.Glob(examples + "*.yaml")
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text := read(t, name)
		if !strings.HasPrefix(text, "# yaml-language-server: $schema=./umqttd.schema.json\n") {
			t.Errorf("%s: the first line does not name the schema", name)
		}
		if err := validate(t, schema, []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// umqttd.yaml as it is packaged: it must start on a machine that has nothing yet.
func TestPackagedExample(t *testing.T) {
	path := folder(t, map[string]string{"umqttd.yaml": read(t, examples+"umqttd.yaml")})
	const want = "warning: umqttd.yaml: devices: there is none yet; write an entry for each board, umqttd ports lists what is plugged in\n"
	if got := said(t, path); got != want {
		t.Errorf("got\n%s", got)
	}
}

// umqttd.yaml shows every key, and what it shows is right: with all its "#" removed it
// loads.
func TestPackagedExampleUncommented(t *testing.T) {
	text := regexp.MustCompile(`(?m)^( *)#([^ ])`).ReplaceAllString(read(t, examples+"umqttd.yaml"), "$1$2")
	for _, key := range schemaKeys(t) {
		last := key[strings.LastIndex(key, ".")+1:]
		if !regexp.MustCompile(`(?m)(^|[ {])` + last + `:`).MatchString(text) {
			t.Errorf("%s is not shown", key)
		}
	}
	// The files are not there, so they are named in the folder of the test.
	text = strings.ReplaceAll(text, "/etc/umqttd/", "")
	text = strings.ReplaceAll(text, "mqtt://localhost:1883", "mqtts://localhost:8883")
	cert, key := keyPair(t, longAgo, farAhead)
	path := folder(t, map[string]string{
		"umqttd.yaml": text, "password": "x", "greenhouse.password": "x", "tls/ca.pem": cert, "tls/gateway.pem": cert, "tls/gateway.key": key,
		"users": "me:$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi", "web.yaml": "", "devices.d/a.yaml": "name: a\nport: /dev/a\n",
	})
	if got := said(t, path); got != "" {
		t.Errorf("got\n%s", got)
	}
}

// schemaKeys lists every key of the schema with its path: broker.tls.ca_file,
// devices[].name. What stands under a device's broker is listed once, under broker.
func schemaKeys(t *testing.T) []string {
	t.Helper()
	type node struct {
		Properties map[string]*node
		Items      *node
	}
	var root node
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	var keys []string
	var walk func(prefix string, n *node)
	walk = func(prefix string, n *node) {
		for name, child := range n.Properties {
			keys = append(keys, prefix+name)
			if prefix+name == "devices[].broker" {
				continue
			}
			walk(prefix+name+".", child)
			if child.Items != nil {
				walk(prefix+name+"[].", child.Items)
			}
		}
	}
	walk("", &root)
	slices.Sort(keys)
	if len(keys) < 50 {
		t.Fatalf("only %d keys: %v", len(keys), keys)
	}
	return keys
}

func TestTLSExample(t *testing.T) {
	cert, key := keyPair(t, longAgo, farAhead)
	files := map[string]string{"umqttd.yaml": read(t, examples+"tls.yaml"), "tls/ca.pem": cert}
	for _, name := range []string{"gateway", "greenhouse", "shed"} {
		files["tls/"+name+".pem"], files["tls/"+name+".key"] = cert, key
	}
	path := folder(t, files)
	dir := filepath.Join(filepath.Dir(path), "tls")
	c, warnings, err := Load(path, func(name string) (string, bool) { return dir, name == "CREDENTIALS_DIRECTORY" })
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if got := c.Devices[0].Broker.TLS; got.CAFile != dir+"/ca.pem" || got.KeyFile != dir+"/greenhouse.key" || got.MinVersion != "1.3" {
		t.Errorf("greenhouse: %+v", got)
	}
	if got := c.Devices[1].Broker; got.URL != "mqtts://cloud.example.org:443" || got.TLS.CertFile != dir+"/shed.pem" || got.TLS.ALPN[0] != "mqtt" {
		t.Errorf("shed: %+v", got)
	}
}

// home-assistant.yaml has one entity of each platform, and Load has nothing to say.
func TestHomeAssistantExample(t *testing.T) {
	c, warnings, err := Load(folder(t, map[string]string{"umqttd.yaml": read(t, examples+"home-assistant.yaml")}), noEnv)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	shown := make(map[string]bool)
	for _, e := range c.Devices[0].HomeAssistant.Entities {
		shown[e.Platform] = true
	}
	for name := range platforms {
		if !shown[name] {
			t.Errorf("%s is not shown", name)
		}
	}
}

func TestDemoExample(t *testing.T) {
	if string(configs.Demo) != read(t, examples+"demo.yaml") {
		t.Error("configs.Demo is another file")
	}
	env := map[string]string{"UMQTTD_DEMO_MQTT": "127.0.0.1:1", "UMQTTD_DEMO_HTTP": "127.0.0.1:2", "UMQTTD_DEMO_PORTS": "/run/demo"}
	c, warnings, err := Parse("demo.yaml", configs.Demo, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if c.Broker.URL != Embedded || c.EmbeddedBroker.Listen != "127.0.0.1:1" || c.HTTP.Listen != "127.0.0.1:2" || c.Devices[1].Port.Path != "/run/demo/shed" {
		t.Errorf("%+v", c)
	}
	if _, warnings, err = Parse("demo.yaml", configs.Demo, noEnv); err != nil || len(warnings) > 0 {
		t.Error("by hand:", err, warnings)
	}
}
