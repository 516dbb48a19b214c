package config

import (
	"math"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// What Home Assistant's documentation says of each MQTT platform: the page "MQTT" and the
// pages "MQTT Sensor", "MQTT Switch" and so on, sections "Configuration variables", and
// the schemas in homeassistant/components/mqtt of its source. Left out are keys that are
// umqttd's to write (device, origin, availability, unique_id) and what is for other
// payloads than text and numbers.

// kind is what an option holds.
type kind uint8

const (
	anyText  kind = iota
	template      // Jinja, which Home Assistant alone can judge
	topic         // exactly one: no wildcard
	words         // one of a few
	yesNo
	count
	fraction
	list
)

// An option is one key of a platform.
type option struct {
	name     string
	kind     kind
	required bool
	of       []string // the words
	min, max float64
	on       bool // default of yesNo
}

// platform are the keys that an entity may have.
type platform []option

// held is what was decoded, and the address that faults know it by.
type held struct {
	address any
	value   any
}

// value returns what decodes the option, and what then holds it.
func (o *option) value() (func() held, value) {
	switch o.kind {
	case yesNo:
		f := new(bool)
		*f = o.on
		return func() held { return held{f, *f} }, boolean{field: f}
	case count:
		f := new(int)
		return func() held { return held{f, *f} }, number{f, int(o.min), int(o.max)}
	case fraction:
		f := new(float64)
		return func() held { return held{f, *f} }, decimal{f, o.min, o.max}
	case list:
		f := new([]string)
		return func() held { return held{f, *f} }, options{texts{field: f, check: checkOption}}
	case words:
		f := new(string)
		return func() held { return held{f, *f} }, choice[string]{field: f, words: o.of}
	case topic:
		f := new(string)
		return func() held { return held{f, *f} }, text{field: f, check: checkTopic, pattern: topicPattern}
	}
	f := new(string)
	return func() held { return held{f, *f} }, text{field: f, check: checkText}
}

// An options is a list of what there is to choose from.
type options struct{ texts }

func (v options) decode(d *decoder, at place, n *yaml.Node) {
	before := len(d.faults)
	v.texts.decode(d, at, n)
	if len(*v.field) == 0 && len(d.faults) == before {
		d.fault(at, "is empty", "write [low, high], or whatever there is")
	}
	if len(d.faults) > before {
		d.refused[v.field] = true
	}
}

func (v options) schema() map[string]any {
	return map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "minItems": 1}
}

func checkOption(s string) (wrong, write string) {
	if s == "" {
		return "is empty", "write what the board sends"
	}
	return checkText(s)
}

// example is what a missing key could hold.
func (o *option) example() string {
	switch {
	case o.kind == list:
		return "[low, high]"
	case strings.HasPrefix(o.name, "command"):
		return "commands/greenhouse/fan"
	}
	return "sensors/greenhouse/temperature"
}

func (p platform) find(name string) *option {
	for i := range p {
		if p[i].name == name {
			return &p[i]
		}
	}
	return nil
}

// entityHints answer keys that Home Assistant knows and umqttd writes itself.
var entityHints = map[string]string{
	"unique_id": "leave it out: umqttd makes one of the names", "object_id": "leave it out: Home Assistant makes one of the names",
	"default_entity_id": "leave it out: Home Assistant makes one of the names", "device": "write it beside entities:, for all of them",
	"origin": "leave it out: umqttd says who it is", "availability": "leave it out: umqttd says when the board is there",
	"availability_topic": "leave it out: umqttd says when the board is there", "availability_mode": "leave it out: umqttd says when the board is there",
	"unit": "did you mean unit_of_measurement?", "topic": "did you mean state_topic?", "schema": "leave it out: a light has the schema basic",
}

// advice says what to write instead of an unknown key.
func (p platform) advice(name string) string {
	if hint, ok := entityHints[name]; ok {
		return hint
	}
	names := make([]string, len(p))
	for i := range p {
		names[i] = p[i].name
	}
	if near := nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "write one of platform, " + strings.Join(names, ", ")
}

func needs(o option) option {
	o.required = true
	return o
}

func on(name string) option                  { return option{name: name, kind: yesNo, on: true} }
func is(name string) option                  { return option{name: name, kind: yesNo} }
func says(name string) option                { return option{name: name} }
func renders(name string) option             { return option{name: name, kind: template} }
func goesTo(name string) option              { return option{name: name, kind: topic} }
func oneOf(name string, of ...string) option { return option{name: name, kind: words, of: of} }
func listed(name string) option              { return option{name: name, kind: list} }
func counts(name string, lo, hi int) option {
	return option{name: name, kind: count, min: float64(lo), max: float64(hi)}
}

func measures(name string, lo, hi float64) option {
	return option{name: name, kind: fraction, min: lo, max: hi}
}

// most bounds what Home Assistant does not.
const (
	most     = math.MaxInt32
	furthest = 1e12
)

// common are keys of every platform. What only shows a state cannot be a setting.
func common(setting bool, own ...option) platform {
	categories := []string{"config", "diagnostic"}
	if !setting {
		categories = categories[1:]
	}
	return append(slices.Clone(own),
		says("name"), says("icon"), oneOf("entity_category", categories...), on("enabled_by_default"), says("entity_picture"),
		goesTo("json_attributes_topic"), renders("json_attributes_template"), counts("qos", 0, 2), says("encoding"))
}

// settable are what a person can change: with a command, and mostly with a state.
func settable(own ...option) platform {
	return common(true, append([]option{
		needs(goesTo("command_topic")), renders("command_template"), goesTo("state_topic"), renders("value_template"), is("optimistic"), is("retain"),
	}, own...)...)
}

var platforms = map[string]platform{
	"sensor": common(false,
		needs(goesTo("state_topic")), renders("value_template"), says("device_class"), says("unit_of_measurement"),
		oneOf("state_class", "measurement", "measurement_angle", "total", "total_increasing"), renders("last_reset_value_template"),
		counts("suggested_display_precision", 0, 20), counts("expire_after", 0, most), is("force_update"), listed("options")),
	"binary_sensor": common(false,
		needs(goesTo("state_topic")), renders("value_template"), says("device_class"), says("payload_on"), says("payload_off"),
		counts("expire_after", 0, most), counts("off_delay", 0, most), is("force_update")),
	"switch": settable(says("device_class"), says("payload_on"), says("payload_off"), says("state_on"), says("state_off")),
	"light": common(true,
		needs(goesTo("command_topic")), goesTo("state_topic"), renders("state_value_template"), says("payload_on"), says("payload_off"),
		oneOf("on_command_type", "last", "first", "brightness"), is("optimistic"), is("retain"),
		goesTo("brightness_command_topic"), renders("brightness_command_template"), goesTo("brightness_state_topic"), renders("brightness_value_template"),
		counts("brightness_scale", 1, most), goesTo("rgb_command_topic"), renders("rgb_command_template"), goesTo("rgb_state_topic"), renders("rgb_value_template"),
		goesTo("effect_command_topic"), renders("effect_command_template"), goesTo("effect_state_topic"), renders("effect_value_template"), listed("effect_list")),
	"number": settable(
		says("device_class"), says("unit_of_measurement"), measures("min", -furthest, furthest), measures("max", -furthest, furthest), measures("step", 0.001, furthest),
		oneOf("mode", "auto", "box", "slider"), says("payload_reset")),
	"button": common(true, needs(goesTo("command_topic")), renders("command_template"), says("device_class"), says("payload_press"), is("retain")),
	"select": settable(needs(listed("options"))),
	"text":   settable(counts("min", 0, 255), counts("max", 0, 255), oneOf("mode", "text", "password"), says("pattern")),
}

// measured are the classes of sensors and numbers, as the page "Sensor" lists them.
var measured = strings.Fields(`absolute_humidity apparent_power aqi area atmospheric_pressure battery blood_glucose_concentration carbon_dioxide
	carbon_monoxide conductivity current data_rate data_size distance duration energy energy_distance energy_storage frequency gas humidity illuminance irradiance
	moisture monetary nitrogen_dioxide nitrogen_monoxide nitrous_oxide ozone ph pm1 pm10 pm25 pm4 power power_factor precipitation precipitation_intensity pressure
	reactive_energy reactive_power signal_strength sound_pressure speed sulphur_dioxide temperature temperature_delta volatile_organic_compounds
	volatile_organic_compounds_parts voltage volume volume_flow_rate volume_storage water weight wind_direction wind_speed`)

// deviceClasses are what the pages of the platforms list. New versions of Home Assistant
// know more, so another word is no fault.
var deviceClasses = map[string][]string{
	"sensor": append([]string{"date", "enum", "timestamp", "uptime"}, measured...),
	"number": measured,
	"switch": {"outlet", "switch"},
	"button": {"identify", "restart", "update"},
	"binary_sensor": strings.Fields(`battery battery_charging carbon_monoxide cold connectivity door garage_door gas heat light lock moisture motion moving
		occupancy opening plug power presence problem running safety smoke sound tamper update vibration window`),
}
