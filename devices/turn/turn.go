// Package turn decides when the MQTT session of a node runs. A run is a series of connections to the broker, until it is told to end; the gateway wants one,
// another instead, or none.
//
// Two connections with one client id would end each other for ever (MQTT 3.1.1 section 3.1.4), so a run waits for the one before it to be gone: its node's own,
// or that of another node with the same client id. What it waits for may take a while, since an orderly end waits for the broker.
//
//	wanted   asked for and not started yet
//	running  started, and not ended yet
//	stopping told to end
//
// It is a plain value without clock or goroutine: the process of the gateway and the simulation of it drive the same one.
package turn

import "github.com/umqttd/umqttd/devices/gateway"

// Run is what a Turn starts and ends. None of its methods waits.
type Run interface {
	// Start begins a run. It returns false if there can be none.
	Start(c gateway.Command) bool
	// Stop makes the run end: orderly, with DISCONNECT, or by cutting the connection. An orderly Stop may be followed by another.
	Stop(orderly bool)
	// Dispose is called when nothing more will be asked for and no run is left.
	Dispose()
}

// Order is the turns of one device. The zero value has none.
type Order struct {
	ending map[string]*Turn // by client id: told to end, still there
}

// Turn is what is wanted of the session of one node, and what there is.
type Turn struct {
	order    *Order
	clientID string
	run      Run

	wanted    *gateway.Command
	running   bool
	stopping  bool
	successor *Turn // waits for this one to end, as it has the same client id
	forgotten bool  // nothing more will be asked for
}

// Add returns the turn of a node that connects with a client id.
func (o *Order) Add(clientID string, run Run) *Turn {
	return &Turn{order: o, clientID: clientID, run: run}
}

// Live says that there is a run that has not been told to end.
func (t *Turn) Live() bool { return t.running && !t.stopping }

// Leaving says that what still comes for the node's run is nobody's: it has been told to end, or nobody will ask for it any more.
func (t *Turn) Leaving() bool { return t.stopping || t.forgotten }

// Wanted says that another run follows.
func (t *Turn) Wanted() bool { return t.wanted != nil }

// Forgotten says that nothing more will be asked for.
func (t *Turn) Forgotten() bool { return t.forgotten }

// Open asks for a run, with what an OpenSession says. It replaces the one there is.
func (t *Turn) Open(c gateway.Command) {
	t.wanted = &c
	t.end(true)
	t.begin()
}

// Close ends what there is, orderly or not, and asks for nothing.
func (t *Turn) Close(orderly bool) {
	t.wanted = nil
	t.end(orderly)
}

// Forget says that nothing more will be asked for.
func (t *Turn) Forget() {
	t.wanted, t.forgotten = nil, true
	t.dispose()
}

// Ended takes note that the run is gone, and starts what has waited for that.
func (t *Turn) Ended() {
	t.running, t.stopping = false, false
	if t.order.ending[t.clientID] == t {
		delete(t.order.ending, t.clientID)
	}
	t.begin()
	t.dispose()
	if next := t.successor; next != nil {
		t.successor = nil
		next.begin()
	}
}

// begin starts what is wanted, unless something has to end first.
func (t *Turn) begin() {
	if t.wanted == nil || t.running {
		return
	}
	if before := t.order.ending[t.clientID]; before != nil {
		before.successor = t
		return
	}
	c := *t.wanted
	t.wanted = nil
	t.running = t.run.Start(c)
}

// end tells a run to end. Only cutting the connection can follow an orderly end that is under way.
func (t *Turn) end(orderly bool) {
	if !t.running || (t.stopping && orderly) {
		return
	}
	t.stopping = true
	if t.order.ending == nil {
		t.order.ending = make(map[string]*Turn)
	}
	t.order.ending[t.clientID] = t
	t.run.Stop(orderly)
}

func (t *Turn) dispose() {
	if t.forgotten && !t.running {
		t.run.Dispose()
	}
}
