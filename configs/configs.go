// Package configs holds the annotated examples, and the one that `umqttd demo` runs.
package configs

import _ "embed"

// Demo is demo.yaml: the broker inside umqttd and two boards, greenhouse and shed. It
// takes where they are from the variables UMQTTD_DEMO_MQTT and UMQTTD_DEMO_HTTP, both
// host:port, and UMQTTD_DEMO_PORTS, a folder with a port for each board, by its name.
//
//go:embed demo.yaml
var Demo []byte
