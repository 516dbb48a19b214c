package turn

import (
	"slices"
	"testing"

	"github.com/umqttd/umqttd/devices/gateway"
)

// recorder writes down what the turns of several nodes ask for.
type recorder struct{ calls []string }

// run is the session of one node.
type run struct {
	name    string
	log     *recorder
	refuses bool
}

func (r *run) Start(c gateway.Command) bool {
	kind := " starts"
	if c.Clean {
		kind = " starts clean"
	}
	r.log.calls = append(r.log.calls, r.name+kind)
	return !r.refuses
}

func (r *run) Stop(orderly bool) {
	how := " is cut"
	if orderly {
		how = " says goodbye"
	}
	r.log.calls = append(r.log.calls, r.name+how)
}

func (r *run) Dispose() { r.log.calls = append(r.log.calls, r.name+" is gone") }

// want holds what was asked for since the last time.
func (r *recorder) want(t *testing.T, calls ...string) {
	t.Helper()
	if !slices.Equal(r.calls, calls) {
		t.Fatalf("%q, want %q", r.calls, calls)
	}
	r.calls = nil
}

func TestReplacedRunEndsFirst(t *testing.T) {
	var order Order
	log := &recorder{}
	a := order.Add("m5", &run{name: "a", log: log})

	a.Open(gateway.Command{})
	log.want(t, "a starts")
	if !a.Live() {
		t.Error("not live")
	}
	a.Open(gateway.Command{Clean: true})
	log.want(t, "a says goodbye")
	if a.Live() || !a.Leaving() || !a.Wanted() {
		t.Errorf("live %v, leaving %v, wanted %v", a.Live(), a.Leaving(), a.Wanted())
	}
	a.Open(gateway.Command{}) // changes its mind, and says goodbye no second time
	log.want(t)
	a.Ended()
	log.want(t, "a starts")
}

func TestSameClientIDWaits(t *testing.T) {
	var order Order
	log := &recorder{}
	a, b := order.Add("m5", &run{name: "a", log: log}), order.Add("m5", &run{name: "b", log: log})
	other := order.Add("m6", &run{name: "other", log: log})

	a.Open(gateway.Command{})
	a.Close(true)
	a.Forget()
	log.want(t, "a starts", "a says goodbye")
	b.Open(gateway.Command{})
	log.want(t) // a is still connected
	other.Open(gateway.Command{})
	log.want(t, "other starts")
	a.Ended()
	log.want(t, "a is gone", "b starts")
}

func TestGoodbyeCanBeCutShort(t *testing.T) {
	var order Order
	log := &recorder{}
	a := order.Add("m5", &run{name: "a", log: log})

	a.Close(true) // there is nothing to end
	log.want(t)
	a.Open(gateway.Command{})
	a.Close(true)
	a.Close(false)
	log.want(t, "a starts", "a says goodbye", "a is cut")
	a.Ended()
	log.want(t)
}

func TestCloseTakesBackWhatIsWanted(t *testing.T) {
	var order Order
	log := &recorder{}
	a := order.Add("m5", &run{name: "a", log: log})

	a.Open(gateway.Command{})
	a.Open(gateway.Command{Clean: true})
	a.Close(true)
	a.Ended()
	log.want(t, "a starts", "a says goodbye")
}

func TestRefusedRunIsNoRun(t *testing.T) {
	var order Order
	log := &recorder{}
	a := order.Add("m5", &run{name: "a", log: log, refuses: true})

	a.Open(gateway.Command{})
	a.Close(true)
	log.want(t, "a starts")
	a.Forget()
	log.want(t, "a is gone")
}
