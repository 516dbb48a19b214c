//go:build vm

package vm

import (
	"testing"

	"github.com/umqttd/umqttd/devices/port"
)

// TestTwins plugs in two adapters with one identity: none is taken, both are named. The one that stays is found when the other is gone.
func TestTwins(t *testing.T) {
	both(t, func(r *rig) {
		twin := r.plugIn(1, serialNumber)
		_, err := r.opener.Open(r.Context(), r.spec())
		wantClass(r, "open", err, port.ErrAmbiguous, r.node, r.second)
		r.wantEdges("the port that was refused")

		r.unplug(r.adapter)
		path, err := r.opener.Finder.Find(r.spec())
		if path != r.second || err != nil {
			r.Errorf("when the first is gone: got %s, %v, want %s", path, err, r.second)
		}
		r.adapter = twin
		r.wantWorking()
	})
}

// TestSiblings plugs in two adapters that differ in their serial numbers: each is found by its own. Without a serial number they are as good as twins.
func TestSiblings(t *testing.T) {
	both(t, func(r *rig) {
		sibling := r.plugIn(1, "another")
		spec := r.spec()
		for serial, want := range map[string]string{serialNumber: r.node, sibling.Serial: r.second} {
			spec.USB.Serial = serial
			if path, err := r.opener.Finder.Find(spec); path != want || err != nil {
				r.Errorf("serial number %s: got %s, %v, want %s", serial, path, err, want)
			}
		}
		spec.USB.Serial = ""
		_, err := r.opener.Finder.Find(spec)
		wantClass(r, "any serial number", err, port.ErrAmbiguous, r.node, r.second)
	})
}
