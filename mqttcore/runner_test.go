package mqttcore

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
)

// bubble runs a test with a broker, on a clock that moves only when everybody
// waits.
func bubble(t *testing.T, cfg fakebroker.Config, test func(t *testing.T, b *fakebroker.Broker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, fakebroker.New(t, cfg))
	})
}

// runner is a client at work in a test, with all that its hooks were told.
type runner struct {
	*Client
	t       *testing.T
	cancel  context.CancelFunc
	stopped chan struct{} // Run has returned
	result  error         // what

	mu          sync.Mutex
	states      []State
	completions []Completion
	answers     []SubCompletion
	busy        bool // a hook runs
}

// newRunner makes a client whose hooks record, and then call those of cfg.
func newRunner(t *testing.T, b *fakebroker.Broker, cfg Config) *runner {
	t.Helper()
	r := &runner{t: t}
	onState, onPublished, onSubscribed := cfg.OnState, cfg.OnPublished, cfg.OnSubscribed
	cfg.OnState = func(s State) {
		defer r.hook(func() { r.states = append(r.states, s) })()
		if onState != nil {
			onState(s)
		}
	}
	cfg.OnPublished = func(c Completion) {
		defer r.hook(func() { r.completions = append(r.completions, c) })()
		if onPublished != nil {
			onPublished(c)
		}
	}
	cfg.OnSubscribed = func(a SubCompletion) {
		defer r.hook(func() { r.answers = append(r.answers, a) })()
		if onSubscribed != nil {
			onSubscribed(a)
		}
	}
	if cfg.ClientID == "" {
		cfg.ClientID = "board"
	}
	if cfg.Dial == nil {
		cfg.Dial = b.Dial
	}
	var err error
	if r.Client, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

// hook notes what a hook was told, and that no two run at once.
func (r *runner) hook(note func()) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy {
		r.t.Error("two hooks run at once")
	}
	r.busy = true
	note()
	return func() {
		r.mu.Lock()
		r.busy = false
		r.mu.Unlock()
	}
}

// start makes a client and runs it until the test ends.
func start(t *testing.T, b *fakebroker.Broker, cfg Config) *runner {
	t.Helper()
	r := newRunner(t, b, cfg)
	r.run()
	t.Cleanup(func() {
		r.cancel()
		<-r.stopped
	})
	return r
}

// run calls Run.
func (r *runner) run() {
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	stopped := make(chan struct{})
	r.stopped = stopped
	go func() {
		r.result = r.Run(ctx)
		close(stopped)
	}()
}

// waitOnline waits until the broker has accepted the connection.
func (r *runner) waitOnline() {
	r.t.Helper()
	if synctest.Wait(); !r.Stats().Online {
		r.t.Fatal("not connected")
	}
}

// publish accepts n messages with QoS 1 and the tokens from first on, which
// are the payloads too.
func (r *runner) publish(first uint64, n int) {
	r.t.Helper()
	for token := first; token < first+uint64(n); token++ {
		if err := r.PublishAsync(Message{Topic: []byte("t"), Payload: []byte{byte(token)}, QoS: 1}, token); err != nil {
			r.t.Fatal(err)
		}
	}
}

// told returns what the hooks have been told, once everybody waits.
func (r *runner) told() ([]State, []Completion, []SubCompletion) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.states), slices.Clone(r.completions), slices.Clone(r.answers)
}

// lastState returns the last of the states.
func (r *runner) lastState() State {
	r.t.Helper()
	states, _, _ := r.told()
	if len(states) == 0 {
		r.t.Fatal("no state was reported")
	}
	return states[len(states)-1]
}

// onceEach checks that the tokens 1 to n were completed, each once, and
// returns their completions by token.
func (r *runner) onceEach(n int) map[uint64]Completion {
	r.t.Helper()
	_, completions, _ := r.told()
	seen := map[uint64]Completion{}
	for _, c := range completions {
		if old, twice := seen[c.Token]; twice {
			r.t.Errorf("token %d completed twice: %+v and %+v", c.Token, old, c)
		}
		seen[c.Token] = c
	}
	for token := uint64(1); token <= uint64(n); token++ {
		if _, ok := seen[token]; !ok {
			r.t.Errorf("token %d never completed", token)
		}
	}
	if len(seen) != n {
		r.t.Errorf("%d tokens completed, want %d", len(seen), n)
	}
	return seen
}
