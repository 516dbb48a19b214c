package config

import (
	"bytes"
	"encoding/json"
)

//go:generate go test -run TestSchemaFile -update .

// Schema is the JSON Schema (draft 2020-12) of the main file, for editors. It comes
// from the table that the decoder reads, and stands in configs/umqttd.schema.json.
// It refuses less than Load: it does not know what is in other files, nor which keys
// need each other. What Load accepts it accepts.
func Schema() []byte {
	c := new(Config)
	c.SetDefaults()
	c.Gateway = ""                   // this machine's name is nobody else's default
	c.DevicesDir = DefaultDevicesDir // which Load finds beside the file
	schema := rootSection(c, new([]*Device)).schema()
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "umqttd configuration"
	schema["description"] = "What docs/configuration.md describes; umqttd check says more."
	schema["$defs"] = map[string]any{"variable": map[string]any{"type": "string", "pattern": envPattern}}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(schema); err != nil {
		panic("config: a schema of maps, lists and texts does not encode: " + err.Error())
	}
	return b.Bytes()
}
