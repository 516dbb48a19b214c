// Package change says what a new configuration changes in a running gateway.
//
// Two configurations go in, a plan comes out; nothing is opened, asked or stopped:
//
//	old, new ─▶ Between ─▶ Plan ─▶ package daemon does it
//
// Every key of the configuration is one row of a table (keys.go), with what a change of it
// takes. Tests hold that no key and no field is without a row, and that docs/configuration.md
// says the same.
//
// Configurations are compared as they are in the end: with defaults, with environment
// variables replaced, and each device with the broker that it inherits. What is written
// in another way, in another file or in another order has not changed.
package change

import (
	"slices"
	"strings"

	"github.com/umqttd/umqttd/daemon/config"
)

// Action is what happens to a device.
type Action uint8

// What happens to a device that is configured, in the order of how much it notices.
const (
	Keep    Action = iota // nothing: not a byte is sent
	Adjust                // it takes what has changed while it runs
	Restart               // it is stopped in order, and started with what has changed
	Add                   // it was not there, and is started
)

// Broker is what happens to the broker inside umqttd.
type Broker uint8

// What happens to the broker inside umqttd.
const (
	LeaveBroker Broker = iota // it runs on, or does not run
	StartBroker               // the first session needs it
	StopBroker                // no session needs it any more
)

// A Device is what happens to one device of the new configuration.
type Device struct {
	Name      string
	Action    Action
	Keys      []string // that differ, as configuration.md has them; none for Add
	Announced bool     // anew to Home Assistant, of which the device notices nothing
}

// A Plan is what leads from one configuration to another. Lists of keys hold those that
// differ, and are empty if the part can stay as it is.
type Plan struct {
	Devices []Device // all of the new configuration, in its order
	Removed []string // names of devices that are not in it

	Broker Broker
	Own    []string // the gateway's own session ends, and another begins if there is to be one
	HTTP   []string // another server takes over from the one there is, or there is one for the first time, or none any more
	Log    []string
	Nodes  []string // max_nodes

	// Refused are keys that take a restart of umqttd. With one of them nothing of
	// the plan may be done.
	Refused []string
}

// Between returns what leads from one configuration to another. Both are complete, as
// config.Load returns them.
func Between(before, after *config.Config) Plan {
	p := Plan{Broker: brokerBetween(before, after)}
	for i := range after.Devices {
		p.Devices = append(p.Devices, deviceBetween(before, after, &after.Devices[i]))
	}
	for i := range before.Devices {
		if find(after, before.Devices[i].Name) == nil {
			p.Removed = append(p.Removed, before.Devices[i].Name)
		}
	}
	if !before.NoGateway || !after.NoGateway {
		p.Own = ownKeys.differing(before, after)
	}
	if !before.HTTP.Off || !after.HTTP.Off {
		p.HTTP = httpKeys.differing(before, after)
	}
	p.Log = logKeys.differing(before, after)
	p.Nodes = nodeKeys.differing(before, after)
	if before.NeedsBroker() && after.NeedsBroker() {
		p.Refused = embeddedKeys.differing(before, after)
	}
	return p
}

func brokerBetween(before, after *config.Config) Broker {
	switch had, has := before.NeedsBroker(), after.NeedsBroker(); {
	case !had && has:
		return StartBroker
	case had && !has:
		return StopBroker
	}
	return LeaveBroker
}

// deviceBetween compares one device of after with that of the same name.
func deviceBetween(before, after *config.Config, d *config.Device) Device {
	change := Device{Name: d.Name}
	was := find(before, d.Name)
	if was == nil {
		change.Action = Add
		return change
	}
	for _, k := range restartKeys {
		if k.differs(was, d) {
			change.note(Restart, k.name)
		}
	}
	for _, k := range adjustKeys {
		if k.differs(was, d) {
			change.note(Adjust, k.name)
		}
	}
	for _, name := range discoveryKeys.differing(was, d) {
		change.note(Keep, name)
		change.Announced = true
	}
	for _, name := range outboxKeys.differing(before, after) {
		change.note(Restart, name)
	}
	for _, name := range payloadKeys.differing(before, after) {
		change.note(Adjust, name)
	}
	return change
}

func (d *Device) note(a Action, key string) {
	d.Action = max(d.Action, a)
	d.Keys = append(d.Keys, key)
}

func find(c *config.Config, name string) *config.Device {
	i := slices.IndexFunc(c.Devices, func(d config.Device) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Devices[i]
}

// Of returns the names of the devices to which that happens.
func (p *Plan) Of(a Action) []string {
	var names []string
	for _, d := range p.Devices {
		if d.Action == a {
			names = append(names, d.Name)
		}
	}
	return names
}

// announced returns the names of the devices that Home Assistant is told of anew.
func (p *Plan) announced() []string {
	var names []string
	for _, d := range p.Devices {
		if d.Announced {
			names = append(names, d.Name)
		}
	}
	return names
}

// Ending returns the names of the devices that are stopped, whether they are started
// again or not.
func (p *Plan) Ending() []string { return append(p.Of(Restart), p.Removed...) }

// Keys returns all keys that differ, each once. Devices that come or go are none.
func (p *Plan) Keys() []string {
	keys := slices.Concat(p.Own, p.HTTP, p.Log, p.Nodes, p.Refused)
	for _, d := range p.Devices {
		keys = append(keys, d.Keys...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool {
	return len(p.Keys()) == 0 && p.Of(Add) == nil && p.Removed == nil && p.Broker == LeaveBroker
}

// String says what happens, for a person: "added shed; restarted attic; log".
func (p *Plan) String() string {
	var parts []string
	say := func(what string, names []string) {
		if names != nil {
			parts = append(parts, what+" "+strings.Join(names, ", "))
		}
	}
	say("removed", p.Removed)
	say("added", p.Of(Add))
	say("restarted", p.Of(Restart))
	say("adjusted", p.Of(Adjust))
	say("announced", p.announced())
	if global := slices.Concat(p.Own, p.HTTP, p.Log, p.Nodes); global != nil {
		slices.Sort(global)
		say("changed", slices.Compact(global))
	}
	switch p.Broker {
	case StartBroker:
		parts = append(parts, "started the broker inside")
	case StopBroker:
		parts = append(parts, "stopped the broker inside")
	}
	if parts == nil {
		return "nothing changed"
	}
	return strings.Join(parts, "; ")
}
