package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/umqttd/umqttd/devices/port"
)

const schemaFile = "../../configs/umqttd.schema.json"

// TestSchemaFile holds the file that editors use equal to the code. go generate
// writes it.
func TestSchemaFile(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, Schema()) {
		t.Errorf("%s is not what the code says; run go generate", schemaFile)
	}
}

// compiled is the schema as an editor uses it.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("umqttd.schema.json", document); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("umqttd.schema.json")
}

// validate holds YAML against the schema.
func validate(t *testing.T, schema *jsonschema.Schema, data []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(asJSON(v))
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(instance)
}

// asJSON gives mappings the text keys of JSON.
func asJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = asJSON(v[k])
		}
	case map[any]any:
		m := make(map[string]any)
		for k := range v {
			m[fmt.Sprint(k)] = asJSON(v[k])
		}
		return m
	case []any:
		for i := range v {
			v[i] = asJSON(v[i])
		}
	}
	return v
}

// The cases of TestFaults named key-... and type-... are wrong in themselves, so the
// schema refuses them too; and it refuses none that Load accepts.
func TestSchemaAgreesWithLoad(t *testing.T) {
	schema := compiled(t)
	archives, err := filepath.Glob("testdata/faults/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	refused, accepted := 0, 0
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(name)
		fault := regexp.MustCompile(`(?m)^umqttd`).Match(archive.Files[len(archive.Files)-1].Data)
		switch {
		case strings.HasPrefix(base, "key-"), strings.HasPrefix(base, "type-"):
			refused++
			if validate(t, schema, archive.Files[0].Data) == nil {
				t.Errorf("%s: the schema accepts it", base)
			}
		case !fault:
			accepted++
			if err := validate(t, schema, archive.Files[0].Data); err != nil {
				t.Errorf("%s: the schema refuses it: %v", base, err)
			}
		}
	}
	if refused < 10 || accepted < 5 {
		t.Errorf("only %d refused and %d accepted", refused, accepted)
	}
}

// good makes a test of a check.
func good(check func(string) (wrong, write string)) func(string) bool {
	return func(s string) bool {
		wrong, _ := check(s)
		return wrong == ""
	}
}

func goodPort(s string) bool {
	_, err := port.ParseSpec(s, port.USB{}, 0, "")
	return err == nil
}

func goodUSB(s string) bool {
	_, err := port.ParseSpec("", port.USB{VID: s, PID: s}, 0, "")
	return err == nil
}

// What a check accepts its pattern accepts.
func TestPatternsAcceptWhatChecksAccept(t *testing.T) {
	values := []string{
		"", "a", "greenhouse-1", "A.b_c", "10c4", "EA60", "embedded", "mqtt://h", "mqtts://broker.example.org:8883", "ws://h/mqtt?a=b", "wss://[::1]:443/x",
		"mqtt://[fe80::1%25eth0]", "mqtt://h/", "MQTTS://h", ":0", "127.0.0.1:9884", "[::]:65535", "host:1", "/dev/ttyUSB0", "/dev/pts/3", "/run/my boards/1",
		"tcp://h:23", "tcp://[::1]:23", "tcp://[fe80::1%eth0]:65535", "tcp://h:023", "udp://:1884", "udp://[::]:1884", "udp://0.0.0.0:1", "sensors/greenhouse/1",
		"ünï/cödé", strings.Repeat("a", 64),
	}
	for name, c := range map[string]struct {
		pattern string
		accepts func(string) bool
	}{
		"name": {namePattern, good(checkName)}, "gateway": {gatewayPattern, good(checkGateway)}, "url": {urlPattern, good(checkURL)},
		"listen": {listenPattern, good(checkListen)}, "topic": {topicPattern, good(checkTopic)},
		"port": {portPattern, goodPort}, "usb": {hex4Pattern, goodUSB},
	} {
		pattern := regexp.MustCompile("^(" + c.pattern + ")$")
		accepted := 0
		for _, v := range values {
			if !c.accepts(v) {
				continue
			}
			accepted++
			if !pattern.MatchString(v) {
				t.Errorf("%s: the check accepts %q, the pattern does not", name, v)
			}
		}
		if accepted == 0 {
			t.Errorf("%s: no value is good", name)
		}
	}
}
