//go:build vm

package vm

import (
	"testing"

	"github.com/umqttd/umqttd/devices/port"
)

// TestSpeed sets speeds, standard and not, slow and fast: the chip is told one within 2 %, and what the driver says it has set is what it has told the chip.
func TestSpeed(t *testing.T) {
	both(t, func(r *rig) {
		for _, baud := range []int{0, 300, 9600, 74880, 921600, 1843200, 2000000, 1000000, 115200} {
			spec := r.spec()
			spec.Baud = baud
			asked := spec.WithDefaults().Baud
			p := r.open(spec)
			told, settings := r.adapter.Baud(), r.termios()
			if off := max(told-asked, asked-told); off*100 > asked*2 {
				r.Errorf("asked for %d, the chip was told %d", asked, told)
			}
			if int(settings.Ospeed) != told || int(settings.Ispeed) != told {
				r.Errorf("asked for %d, the chip was told %d, the driver says %d out and %d in", asked, told, settings.Ospeed, settings.Ispeed)
			}
			r.Logf("asked for %d, set %d", asked, told)
			r.close(p)
		}
		r.wantEdges("setting speeds", raised)
	})
}

// TestSpeedIsRefused asks a CP2104 for more than it can do. Its driver sets 2000000 and says nothing; umqttd says it, and lets go of the port.
func TestSpeedIsRefused(t *testing.T) {
	r := newRig(t, models()[0])
	spec := r.spec()
	spec.Baud = 3000000
	_, err := r.opener.Open(t.Context(), spec)
	wantClass(t, "3000000 baud", err, port.ErrUnsuitable, r.node, "asked for 3000000 baud", "the driver set 2000000", "baud: 2000000")
	r.wantEdges("the refused open", raised)

	spec.Baud = 2000000 // as the message says
	r.open(spec)
	if told := r.adapter.Baud(); told != spec.Baud {
		t.Errorf("the chip was told %d, want %d", told, spec.Baud)
	}
	r.wantEdges("the next open")
}

// TestFastestSpeed asks the port inside an ESP32-S3 for as much as configuration allows. It has no UART, so it takes any speed.
func TestFastestSpeed(t *testing.T) {
	r := newRig(t, models()[1])
	spec := r.spec()
	spec.Baud = port.MaxBaud
	r.open(spec)
	if told := r.adapter.Baud(); told != spec.Baud {
		t.Errorf("the chip was told %d, want %d", told, spec.Baud)
	}
}
