package house

import (
	"strings"
	"testing"
)

// layers says what of this module each folder may import, itself aside. Imports run
// one way: cmd -> daemon -> devices -> serialproto, mqttcore.
var layers = map[string][]string{
	"cmd":         {"configs", "daemon", "devices", "mqttcore", "serialproto"},
	"configs":     {},
	"daemon":      {"devices", "metrics", "mqttcore", "serialproto"},
	"deploy":      {}, // what makes the packages
	"devices":     {"metrics", "mqttcore", "serialproto"},
	"metrics":     {},
	"mqttcore":    {},
	"serialproto": {},
	// Parts of tests. Nothing that is shipped imports them.
	"test": {"configs", "daemon", "devices", "metrics", "mqttcore", "serialproto"},
}

// homes says which packages may import a library. What is not named here may be
// imported by its one user, which is decided in review.
var homes = map[string][]string{
	"github.com/coreos/go-systemd":           {"daemon"},
	"github.com/mochi-mqtt/server":           {"daemon/embedded"},
	"github.com/prometheus/client_golang":    {"metrics"},
	"github.com/prometheus/exporter-toolkit": {"daemon/config", "daemon/web"},
	"github.com/spf13/cobra":                 {"cmd"},
	"go.bug.st/serial":                       {"devices/port"},
	"gopkg.in/yaml.v3":                       {"daemon"},
}

// TestLayers holds the direction of imports.
func TestLayers(t *testing.T) {
	for _, p := range ownPackages(t) {
		folder, _, _ := strings.Cut(p.name(), "/")
		allowed, known := layers[folder]
		if !known {
			t.Errorf("%s: a new folder; say in layers what it may import", p.name())
			continue
		}
		for _, path := range p.Imports {
			imported, ours := strings.CutPrefix(path, module+"/")
			if ours && !isIn(imported, folder) && !isInAny(imported, allowed) {
				t.Errorf("%s imports %s, but %s may import %v only", p.name(), imported, folder, allowed)
			}
		}
	}
}

// TestLibrariesStandAlone holds what a stranger relies on who uses serialproto or
// mqttcore without the rest: nothing else of this module comes along, by any way.
func TestLibrariesStandAlone(t *testing.T) {
	for _, library := range []string{"serialproto", "mqttcore"} {
		for _, p := range ownPackages(t) {
			if !isIn(p.name(), library) {
				continue
			}
			for _, path := range p.Deps {
				if other, ours := strings.CutPrefix(path, module+"/"); ours && !isIn(other, library) {
					t.Errorf("%s depends on %s", p.name(), other)
				}
			}
		}
	}
}

// TestHomesOfLibraries holds which packages know a library, so that it can be
// swapped in one place.
func TestHomesOfLibraries(t *testing.T) {
	used := make(map[string]bool)
	for _, p := range ownPackages(t) {
		for _, path := range p.Imports {
			for library, home := range homes {
				if !isIn(path, library) {
					continue
				}
				used[library] = true
				if !isInAny(p.name(), home) {
					t.Errorf("%s imports %s, which belongs to %v", p.name(), path, home)
				}
			}
		}
	}
	for library := range homes {
		if !used[library] {
			t.Errorf("nobody imports %s any more; remove it from homes and from go.mod", library)
		}
	}
}

// TestNoCgo holds that umqttd is one static file on every platform: cgo is used by
// the standard library alone, which has Go code in its place.
func TestNoCgo(t *testing.T) {
	standard := 0
	for _, p := range allPackages(t) {
		switch {
		case len(p.CgoFiles) == 0:
		case p.Standard:
			standard++
		default:
			t.Errorf("%s uses cgo: %v", p.ImportPath, p.CgoFiles)
		}
	}
	if standard == 0 {
		t.Error("not even the standard library uses cgo; this test looks in the wrong place")
	}
}
