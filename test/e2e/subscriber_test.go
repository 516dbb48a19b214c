package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/certs"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
)

// message is what mosquitto_sub received.
type message struct {
	topic, payload string
	qos            int
	retain         bool
}

// subscriber is a mosquitto_sub: a judge that shares no code with umqttd. Its session outlives connections and, started again when a broker's end has made it
// give up, the program.
type subscriber struct {
	t     *testing.T
	args  []string
	ended chan struct{}

	mu       sync.Mutex
	messages []message
	rest     []string // what else it said
}

// subscribe starts a mosquitto_sub, and waits until its subscription stands.
func subscribe(t *testing.T, broker *mosquitto.Broker, id, filter string, with ...credentials) *subscriber {
	t.Helper()
	if _, err := exec.LookPath("mosquitto_sub"); err != nil {
		t.Fatalf("%v; on Debian, Raspberry Pi OS and Ubuntu: apt-get install mosquitto-clients", err)
	}
	s := &subscriber{
		t: t, ended: make(chan struct{}),
		args: append(clientArgs(t, broker, with), "-i", id, "-c", "-q", "1", "-t", filter, "-F", "message %q %r %t %p"),
	}
	go func() {
		defer close(s.ended)
		for t.Context().Err() == nil {
			s.run(t.Context())
		}
	}()
	t.Cleanup(s.cleanup)
	// It flushes its own words only with the first message, so the broker is asked.
	patience.Wait(t, "mosquitto_sub is subscribed", func() bool { return strings.Contains(broker.Log()+"\n", "Sending SUBACK to "+id+"\n") })
	return s
}

// run runs the program once, to its end.
func (s *subscriber) run(ctx context.Context) {
	command := exec.CommandContext(ctx, "mosquitto_sub", s.args...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := command.StdoutPipe()
	if err == nil {
		command.Stderr = command.Stdout
		err = command.Start()
	}
	if err != nil {
		s.line(err.Error())
		return
	}
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		s.line(scanner.Text())
	}
	_ = command.Wait() // the broker was killed, or the program
}

// cleanup waits for the end of the program, which comes with that of the test; its session stays with the broker.
func (s *subscriber) cleanup() {
	<-s.ended
	if s.t.Failed() {
		s.t.Logf("mosquitto_sub received %d messages and said:\n%s", len(s.messages), strings.Join(s.rest[max(0, len(s.rest)-20):], "\n"))
	}
}

// line takes one line of the program's output.
func (s *subscriber) line(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var m message
	var retain int
	switch n, _ := fmt.Sscanf(line, "message %d %d %s", &m.qos, &retain, &m.topic); {
	case n == 3:
		m.retain = retain == 1
		m.payload = strings.SplitN(line, " ", 5)[4]
		s.messages = append(s.messages, m)
	default:
		s.rest = append(s.rest, line)
	}
}

// credentials are what a client shows to a broker with TLS.
type credentials struct {
	ca   *certs.Authority
	pair certs.Pair
}

func clientArgs(t *testing.T, broker *mosquitto.Broker, with []credentials) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-h", host, "-p", port, "-V", "mqttv311"}
	for _, c := range with {
		args = append(args, "--cafile", c.ca.CertFile, "--cert", c.pair.CertFile, "--key", c.pair.KeyFile)
	}
	return args
}

// all returns what was received so far.
func (s *subscriber) all() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// wait waits for n messages and returns them and what came after them.
func (s *subscriber) wait(n int) []message {
	s.t.Helper()
	if !patience.Within(patience.Limit, func() bool { return len(s.all()) >= n }) {
		s.t.Fatalf("mosquitto_sub has %d messages after %v, want %d", len(s.all()), patience.Limit, n)
	}
	return s.all()
}

// waitFor waits for a message with that topic and payload, and returns it.
func (s *subscriber) waitFor(topic, payload string) message {
	s.t.Helper()
	var found message
	ok := patience.Within(patience.Limit, func() bool {
		all := s.all()
		i := slices.IndexFunc(all, func(m message) bool { return m.topic == topic && m.payload == payload })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	if !ok {
		s.t.Fatalf("mosquitto_sub has not received %q on %s after %v, only %v", payload, topic, patience.Limit, s.all())
	}
	return found
}

// publish sends messages to the broker with one mosquitto_pub, which returns when the broker has acknowledged them all.
func publish(t *testing.T, broker *mosquitto.Broker, topic string, payloads []string, with ...credentials) {
	t.Helper()
	publishWith(t, broker, topic, payloads, nil, with...)
}

func publishWith(t *testing.T, broker *mosquitto.Broker, topic string, payloads, options []string, with ...credentials) {
	t.Helper()
	args := append(clientArgs(t, broker, with), "-q", "1", "-t", topic, "-l")
	c := exec.CommandContext(t.Context(), "mosquitto_pub", append(args, options...)...)
	c.Stdin = strings.NewReader(strings.Join(payloads, "\n") + "\n")
	if output, err := c.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v\n%s", err, output)
	}
}

// sessionPresent asks the broker, by a CONNECT of its own with CleanSession=0, whether it has a session of that client.
func sessionPresent(t *testing.T, broker *mosquitto.Broker, clientID string) bool {
	t.Helper()
	conn, err := net.Dial("tcp", broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience.Limit))
	connect := "\x00\x04MQTT\x04\x00\x00\x00\x00" + string(rune(len(clientID))) + clientID
	connack := make([]byte, 4)
	if _, err := conn.Write([]byte("\x10" + string(rune(len(connect))) + connect)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, connack); err != nil || connack[0] != 0x20 || connack[3] != 0 {
		t.Fatalf("CONNACK is % x: %v", connack, err)
	}
	return connack[2] == 1
}
