package change

import (
	"reflect"

	"github.com/umqttd/umqttd/daemon/config"
)

// key is one key of the configuration, and what to compare of the part T that holds it.
type key[T any] struct {
	name string
	of   func(*T) any
}

// differs compares what stands in two places.
func (k *key[T]) differs(a, b *T) bool { return !reflect.DeepEqual(k.of(a), k.of(b)) }

// keys are those of which a change takes the same.
type keys[T any] []key[T]

func (ks keys[T]) differing(a, b *T) []string {
	var names []string
	for i := range ks {
		if ks[i].differs(a, b) {
			names = append(names, ks[i].name)
		}
	}
	return names
}

// within makes keys of a whole of those of a part.
func within[T, P any](prefix string, part func(*T) *P, ks keys[P]) keys[T] {
	var all keys[T]
	for _, k := range ks {
		all = append(all, key[T]{prefix + k.name, func(t *T) any { return k.of(part(t)) }})
	}
	return all
}

// none makes nothing of a list or a mapping with nothing in it, for those of which both
// mean the same. In allow they do not.
func none[T any](value T) any {
	if reflect.ValueOf(value).Len() == 0 {
		return nil
	}
	return value
}

// brokerKeys are those of a section broker. They are read when a session is made.
var brokerKeys = keys[config.Broker]{
	{"broker.url", func(b *config.Broker) any { return b.URL }},
	{"broker.username", func(b *config.Broker) any { return b.Username }},
	{"broker.password_file", func(b *config.Broker) any { return b.PasswordFile }},
	{"broker.keepalive", func(b *config.Broker) any { return b.KeepAlive }},
	{"broker.max_inflight", func(b *config.Broker) any { return b.MaxInflight }},
	{"broker.tls.ca_file", func(b *config.Broker) any { return b.TLS.CAFile }},
	{"broker.tls.cert_file", func(b *config.Broker) any { return b.TLS.CertFile }},
	{"broker.tls.key_file", func(b *config.Broker) any { return b.TLS.KeyFile }},
	{"broker.tls.server_name", func(b *config.Broker) any { return b.TLS.ServerName }},
	{"broker.tls.min_version", func(b *config.Broker) any { return b.TLS.MinVersion }},
	{"broker.tls.alpn", func(b *config.Broker) any { return none(b.TLS.ALPN) }},
	{"broker.reconnect.min", func(b *config.Broker) any { return b.Reconnect.Min }},
	{"broker.reconnect.max", func(b *config.Broker) any { return b.Reconnect.Max }},
}

// ownKeys make another session of the gateway itself.
var ownKeys = append(keys[config.Config]{
	{"gateway", func(c *config.Config) any { return []any{c.NoGateway, c.Gateway} }},
}, within("", func(c *config.Config) *config.Broker { return &c.Broker }, brokerKeys)...)

// embeddedKeys take a restart: the broker inside would forget all that it has.
var embeddedKeys = keys[config.Config]{
	{"embedded_broker.listen", func(c *config.Config) any { return c.EmbeddedBroker.Listen }},
	{"embedded_broker.password_file", func(c *config.Config) any { return c.EmbeddedBroker.PasswordFile }},
}

// outboxKeys restart every device.
var outboxKeys = keys[config.Config]{
	{"outbox.dir", func(c *config.Config) any { return c.Outbox.Dir }},
	{"outbox.max_bytes", func(c *config.Config) any { return c.Outbox.MaxBytes }},
	{"outbox.when_full", func(c *config.Config) any { return c.Outbox.WhenFull }},
	{"outbox.spill_after", func(c *config.Config) any { return c.Outbox.SpillAfter }},
	{"outbox.if_unusable", func(c *config.Config) any { return c.Outbox.IfUnusable }},
}

// payloadKeys adjust every device, and are of the HTTP server too.
var payloadKeys = keys[config.Config]{
	{"http.show_payloads", func(c *config.Config) any { return c.HTTP.ShowPayloads }},
}

// httpKeys make another HTTP server.
var httpKeys = append(keys[config.Config]{
	{"http.listen", func(c *config.Config) any { return []any{c.HTTP.Off, c.HTTP.Listen} }},
	{"http.web_config_file", func(c *config.Config) any { return c.HTTP.WebConfigFile }},
}, payloadKeys...)

var logKeys = keys[config.Config]{
	{"log.level", func(c *config.Config) any { return c.Log.Level }},
	{"log.format", func(c *config.Config) any { return c.Log.Format }},
}

var nodeKeys = keys[config.Config]{
	{"max_nodes", func(c *config.Config) any { return c.MaxNodes }},
}

// restartKeys restart a device.
var restartKeys = append(keys[config.Device]{
	{"devices[].port", func(d *config.Device) any { return d.Port.Path }},
	{"devices[].usb.vid", func(d *config.Device) any { return d.Port.USB.VID }},
	{"devices[].usb.pid", func(d *config.Device) any { return d.Port.USB.PID }},
	{"devices[].usb.serial", func(d *config.Device) any { return d.Port.USB.Serial }},
	{"devices[].baud", func(d *config.Device) any { return d.Port.Baud }},
	{"devices[].reset", func(d *config.Device) any { return d.Port.Reset }},
	{"devices[].rx_buffer", func(d *config.Device) any { return d.RxBuffer }},
	{"devices[].max_frame", func(d *config.Device) any { return d.MaxFrame }},
	{"devices[].client_id", func(d *config.Device) any { return d.ClientID }},
	{"devices[].topics", func(d *config.Device) any { return none(d.Topics) }},
	{"devices[].allow.publish", func(d *config.Device) any { return d.Allow.Publish }},
	{"devices[].allow.subscribe", func(d *config.Device) any { return d.Allow.Subscribe }},
}, within("devices[].", func(d *config.Device) *config.Broker { return &d.Broker }, brokerKeys)...)

// adjustKeys are taken by a device while it runs.
var adjustKeys = keys[config.Device]{
	{"devices[].limits.messages_per_second", func(d *config.Device) any { return d.Limits.MessagesPerSecond }},
	{"devices[].limits.max_payload", func(d *config.Device) any { return d.Limits.MaxPayload }},
	{"devices[].console.log", func(d *config.Device) any { return d.Console.NoLog }},
	{"devices[].console.topic", func(d *config.Device) any { return d.Console.Topic }},
}

// discoveryKeys are not of the device that runs, but of the gateway's own session, which
// announces it.
var discoveryKeys = append(keys[config.Device]{
	{"devices[].homeassistant.prefix", func(d *config.Device) any { return d.HomeAssistant.Prefix }},
	{"devices[].homeassistant.entities", func(d *config.Device) any { return none(d.HomeAssistant.Entities) }},
}, within("devices[].homeassistant.device.", func(d *config.Device) *config.HomeAssistantDevice { return &d.HomeAssistant.Device }, keys[config.HomeAssistantDevice]{
	{"name", func(d *config.HomeAssistantDevice) any { return d.Name }},
	{"manufacturer", func(d *config.HomeAssistantDevice) any { return d.Manufacturer }},
	{"model", func(d *config.HomeAssistantDevice) any { return d.Model }},
	{"model_id", func(d *config.HomeAssistantDevice) any { return d.ModelID }},
	{"hw_version", func(d *config.HomeAssistantDevice) any { return d.HWVersion }},
	{"sw_version", func(d *config.HomeAssistantDevice) any { return d.SWVersion }},
	{"serial_number", func(d *config.HomeAssistantDevice) any { return d.SerialNumber }},
	{"suggested_area", func(d *config.HomeAssistantDevice) any { return d.SuggestedArea }},
	{"configuration_url", func(d *config.HomeAssistantDevice) any { return d.ConfigurationURL }},
})...)
