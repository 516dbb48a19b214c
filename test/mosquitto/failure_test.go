package mosquitto

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
)

// recorder is a test that may fail without its parent failing.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }
func (r *recorder) Helper()           {}
func (r *recorder) Failed() bool      { return r.failure != "" }

// wantFailure runs a test that must fail, and say want.
func wantFailure(t *testing.T, want string, test func(t testing.TB)) {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(r)
	}()
	<-done
	if !strings.Contains(r.failure, want) {
		t.Errorf("the test failed with %q, want %q", r.failure, want)
	}
}

func TestMissingProgramSaysWhatToInstall(t *testing.T) {
	wantFailure(t, "apt-get install mosquitto", func(t testing.TB) { find(t, "no-such-program") })
}

func TestBadConfigurationFails(t *testing.T) {
	wantFailure(t, "ended at once", func(t testing.TB) { Start(t, Config{Lines: []string{"no_such_option true"}}) })
}

func TestWhatWasNotAskedForFails(t *testing.T) {
	broker := Start(t, Config{})
	wantFailure(t, "without a WebSocket listener", func(t testing.TB) { (&Broker{t: t}).WebSocketURL() })
	broker.Stop()
	wantFailure(t, "is not running", func(t testing.TB) { (&Broker{t: t}).Stop() })
}

// Somebody else may take a port after it was found free: Start tries another.
func TestStartTriesAnotherPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	line := fmt.Sprintf("listener %d 127.0.0.1", taken.Addr().(*net.TCPAddr).Port)
	wantFailure(t, "10 ports", func(t testing.TB) { Start(t, Config{Lines: []string{line}}) })
}

func TestRestartNeedsItsOldPort(t *testing.T) {
	broker := Start(t, Config{})
	broker.Stop()
	taken, err := net.Listen("tcp", broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	wantFailure(t, "somebody took port", func(t testing.TB) {
		same := &Broker{t: t, config: broker.config, program: broker.program, file: broker.file, port: broker.port}
		same.Restart()
	})
	_ = taken.Close()
	broker.Restart()
}

func TestPortsAreBelowThoseOfClients(t *testing.T) {
	low, high := firstPort, firstEphemeral()
	if high <= low {
		low, high = high, 65536 // no room below: the kernel chooses
	}
	for range 50 {
		if port := freePort(t); port < low || port >= high {
			t.Errorf("port %d is not in %d to %d", port, low, high)
		}
	}
}
