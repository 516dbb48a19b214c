//go:build vm

package vm

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/vm/usbip"
)

// model is one kind of adapter.
type model struct {
	driver string
	make   func(serial string) *usbip.Adapter
	node   string // of the first one
	second string
}

func models() []model {
	return []model{
		{driver: "cp210x", make: usbip.NewCP2104, node: "/dev/ttyUSB0", second: "/dev/ttyUSB1"},
		{driver: "cdc_acm", make: usbip.NewSerialJTAG, node: "/dev/ttyACM0", second: "/dev/ttyACM1"},
	}
}

// rig is an adapter in a socket, and the Opener of a gateway.
type rig struct {
	*testing.T
	model
	adapter *usbip.Adapter
	opener  *port.Opener
}

// both runs a test with an adapter of each kind.
func both(t *testing.T, test func(*rig)) {
	for _, m := range models() {
		t.Run(m.driver, func(t *testing.T) { test(newRig(t, m)) })
	}
}

// serialNumber is that of the adapter that a rig begins with.
const serialNumber = "01A2B3C4"

func newRig(t *testing.T, m model) *rig {
	t.Helper()
	r := &rig{T: t, model: m, opener: &port.Opener{}}
	t.Cleanup(r.wait) // last: an adapter that is gone keeps no port from closing
	r.adapter = r.plugIn(0, serialNumber)
	return r
}

// plugIn plugs a new adapter in and waits for its node.
func (r *rig) plugIn(socket int, serial string) *usbip.Adapter {
	r.Helper()
	a := r.make(serial)
	r.plug(a, socket)
	r.Cleanup(func() {
		if a.Plugged() {
			r.unplug(a)
		}
	})
	return a
}

// plug plugs an adapter in and waits until Linux has one node more.
func (r *rig) plug(a *usbip.Adapter, socket int) {
	r.Helper()
	before := r.nodes()
	if err := a.Plug(socket); err != nil {
		r.Fatal(err)
	}
	patience.Wait(r, "there is a node", func() bool { return len(r.nodes()) > len(before) })
}

func (r *rig) unplug(a *usbip.Adapter) {
	r.Helper()
	if err := a.Unplug(); err != nil {
		r.Fatal(err)
	}
}

// nodes are the device nodes of all adapters of this kind.
func (r *rig) nodes() []string {
	r.Helper()
	paths, err := filepath.Glob(strings.TrimRight(r.node, "0") + "*")
	if err != nil {
		r.Fatal(err)
	}
	return paths
}

// spec finds the adapter by its identity.
func (r *rig) spec() port.Spec {
	a := r.adapter
	return port.Spec{USB: port.USB{VID: a.VID, PID: a.PID, Serial: a.Serial}}
}

// open opens the port that spec means.
func (r *rig) open(spec port.Spec) *port.TTY {
	r.Helper()
	p, err := r.opener.Open(r.Context(), spec)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = p.Close() })
	return p.(*port.TTY)
}

// close closes a port and waits until the driver has done so too.
func (r *rig) close(p port.Port) {
	r.Helper()
	if err := p.Close(); err != nil {
		r.Error(err)
	}
	r.wait()
}

// uart returns the board's side of the adapter.
func (r *rig) uart() *usbip.UART {
	u := r.adapter.UART()
	r.Cleanup(func() { _ = u.Close() })
	return u
}

// wait waits until everything is closed that the Opener has to close.
func (r *rig) wait() {
	r.Helper()
	if err := r.opener.Wait(context.Background()); err != nil {
		r.Error(err)
	}
}

// wantEdges fails unless the modem lines have changed, since it was last asked, exactly to these. Each transfer must have written both lines, so that a board saw nothing between.
func (r *rig) wantEdges(what string, want ...usbip.Lines) {
	r.Helper()
	wantEdges(r, r.adapter, what, want...)
}

func wantEdges(t testing.TB, a *usbip.Adapter, what string, want ...usbip.Lines) {
	t.Helper()
	var got []usbip.Lines
	for _, transfer := range a.Trace() {
		if transfer.Edge() {
			got = append(got, transfer.After)
		}
		if !transfer.Both {
			t.Errorf("%s: one line was written without the other, giving %v", what, transfer.After)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the modem lines went to %v, want %v", what, got, want)
	}
}

// The lines as most tests have them: what a board runs with, and what resets it.
var (
	raised = usbip.Lines{DTR: true, RTS: true}
	reset  = usbip.Lines{RTS: true}
	none   = usbip.Lines{}
)

// wantClass fails unless err is of the given class and says all of this.
func wantClass(t testing.TB, what string, err, class error, says ...string) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Errorf("%s: got error %v, want class %q", what, err, class)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: error %q does not say %q", what, err, s)
		}
	}
}

// wantWithin fails unless something that began then has taken at most limit.
func wantWithin(t testing.TB, what string, limit time.Duration, began time.Time) {
	t.Helper()
	took := time.Since(began)
	if took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
	t.Logf("%s took %v", what, took)
}

// receive receives what must come.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	timeout := time.NewTimer(patience.Limit)
	defer timeout.Stop()
	select {
	case v := <-from:
		return v
	case <-timeout.C:
		t.Fatalf("waited %v in vain: %s", patience.Limit, what)
		panic("not reached")
	}
}

// blocked waits until a goroutine waits for a descriptor in a function, such as stream.Read.
func (r *rig) blocked(function string) {
	r.Helper()
	buf := make([]byte, 1<<20)
	patience.Wait(r, "something waits in "+function, func() bool {
		for stack := range bytes.SplitSeq(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
			if bytes.Contains(stack, []byte("[IO wait")) && bytes.Contains(stack, []byte(function+"(")) {
				return true
			}
		}
		return false
	})
}
