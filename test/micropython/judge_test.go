package micropython

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
)

// judge is mosquitto's own clients at the other side of the broker: one that receives everything, and others that publish.
type judge struct {
	t     *testing.T
	args  []string
	ended chan struct{}

	mu      sync.Mutex
	arrived map[string][]string // by topic: QoS and payload in hexadecimal, in order
	taken   map[string]int
	markers int
}

// newJudge starts the one that receives, and waits until it does.
func newJudge(t *testing.T, broker *mosquitto.Broker, login ...string) *judge {
	t.Helper()
	if _, err := exec.LookPath("mosquitto_sub"); err != nil {
		t.Fatalf("%v; on Debian, Raspberry Pi OS and Ubuntu: apt-get install mosquitto-clients", err)
	}
	host, port, err := net.SplitHostPort(broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	j := &judge{
		t: t, args: append([]string{"-h", host, "-p", port, "-V", "mqttv311"}, login...), ended: make(chan struct{}),
		arrived: make(map[string][]string), taken: make(map[string]int),
	}
	go func() {
		defer close(j.ended)
		for t.Context().Err() == nil {
			j.receive(t.Context())
		}
	}()
	t.Cleanup(func() { <-j.ended })
	patience.Wait(t, "mosquitto_sub is subscribed", func() bool { return strings.Contains(broker.Log()+"\n", "Sending SUBACK to judge\n") })
	return j
}

// receive runs mosquitto_sub until it gives up or the test is over. Its session stays with the broker.
func (j *judge) receive(ctx context.Context) {
	command := exec.CommandContext(ctx, "mosquitto_sub", append(j.args, "-i", "judge", "-c", "-q", "1", "-t", "#", "-F", "%q %t %x")...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return
	}
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		if fields := strings.SplitN(scanner.Text(), " ", 3); len(fields) == 3 {
			j.mu.Lock()
			j.arrived[fields[1]] = append(j.arrived[fields[1]], fields[0]+" "+fields[2])
			j.mu.Unlock()
		}
	}
	_ = command.Wait() // the broker is gone, or the test over
}

// waiting returns how many messages on a topic were not taken yet.
func (j *judge) waiting(topic string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.arrived[topic]) - j.taken[topic]
}

// next waits for the next message on a topic: its QoS and, in hexadecimal, its payload.
func (j *judge) next(topic string) string {
	j.t.Helper()
	patience.Wait(j.t, "a message on "+topic, func() bool { return j.waiting(topic) > 0 })
	j.mu.Lock()
	defer j.mu.Unlock()
	j.taken[topic]++
	return j.arrived[topic][j.taken[topic]-1]
}

// quiet reports whether no message came on a topic, among all that the broker had before.
func (j *judge) quiet(topic string) bool {
	j.t.Helper()
	j.markers++
	marker := fmt.Sprintf("judge/%d", j.markers)
	j.publish(marker, []byte("."), 1, false)
	j.next(marker)
	return j.waiting(topic) == 0
}

// publish publishes a message, and waits until the broker has it.
func (j *judge) publish(topic string, payload []byte, qos int, retain bool) {
	j.t.Helper()
	args := append(j.args, "-t", topic, "-q", fmt.Sprint(qos))
	if retain {
		args = append(args, "-r")
	}
	if len(payload) == 0 {
		args = append(args, "-n") // -s cannot send nothing
	} else {
		args = append(args, "-s")
	}
	command := exec.CommandContext(j.t.Context(), "mosquitto_pub", args...)
	command.Stdin = strings.NewReader(string(payload))
	if output, err := command.CombinedOutput(); err != nil {
		j.t.Errorf("mosquitto_pub: %v\n%s", err, output)
	}
}

// retained returns what is retained on a topic in hexadecimal, "-" if nothing is.
func (j *judge) retained(topic string) string {
	j.t.Helper()
	// Subscriptions are answered in their order: behind what is retained on the topic comes what is on the marker.
	const marker = "judge/last"
	j.publish(marker, []byte("."), 1, true)
	ctx, cancel := context.WithTimeout(j.t.Context(), patience.Limit)
	defer cancel()
	command := exec.CommandContext(ctx, "mosquitto_sub", append(j.args, "-t", topic, "-t", marker, "--retained-only", "-F", "%t %x")...)
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		j.t.Fatalf("mosquitto_sub: %v", err)
	}
	found := "-"
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		name, payload, _ := strings.Cut(scanner.Text(), " ")
		if name == topic {
			found = payload
		}
		if name == marker {
			cancel()
		}
	}
	_ = command.Wait() // killed
	return found
}

// unhex is a payload as programs on boards write it: in hexadecimal, "-" if it is empty.
func unhex(t *testing.T, text string) []byte {
	t.Helper()
	payload, err := hex.DecodeString(strings.TrimPrefix(text, "-"))
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
