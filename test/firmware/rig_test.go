package firmware

import (
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/umqttd"
	"github.com/umqttd/umqttd/test/witness"
)

// program is the umqttd that all tests run.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "umqttd-firmware")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		program, err = umqttd.Build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// device is what the gateway knows of the board: session.c's buffers.
const device = "max_frame: 160, console: {log: false}"

// rig is a board in QEMU, its line, a gateway and a broker, and the other end of the board's messages.
type rig struct {
	t       testing.TB
	target  string
	image   string
	broker  *mosquitto.Broker
	judge   *witness.Witness
	splice  *cable.Splice
	gateway *umqttd.Gateway
	board   *machine

	commands int      // that were given, which is the next one's number
	numbers  int      // of messages that were asked for
	echoes   []string // that are owed, in order
}

// newRig starts all of it with the session firmware, and waits until the board is subscribed.
func newRig(t testing.TB, target string) *rig {
	t.Helper()
	r := newLine(t, device, "up/#")
	r.target = target
	r.image = image(t, target, append(clientSources(t), "session/session.c")...)
	r.board = powerOn(t, target, r.image, r.splice.BoardPath())
	r.board.wait("subscribed")
	return r
}

// newLine starts everything but the board. Device are further keys of the device; the judge gets what the filter matches.
func newLine(t testing.TB, device, filter string) *rig {
	t.Helper()
	r := &rig{t: t, broker: mosquitto.Start(t, mosquitto.Config{Persistence: true, Lines: witness.BrokerLines})}
	r.judge = witness.New(t, r.broker.Addr(), "judge", filter)
	line := cable.New(t)
	r.gateway = umqttd.Start(t, program, fmt.Sprintf("gateway: gw\nbroker:\n  url: %q\n  reconnect: {min: 20ms, max: 200ms}\ndevices: [{name: attic, port: %q, %s}]",
		r.broker.URL(), line.Path(), device))
	r.splice = cable.NewSplice(t, line)
	// Ready does not wait for ports, and what a board sends before its port is open is lost.
	r.gateway.WaitMetric(`umqttd_device_up{device="attic"}`, 1)
	return r
}

// command gives the board a command, by the broker.
func (r *rig) command(format string, args ...any) (payload string) {
	payload = fmt.Sprintf("%d ", r.commands) + fmt.Sprintf(format, args...)
	r.commands++
	r.judge.Publish("cmd/do", payload)
	return payload
}

// publish has the board publish n messages more.
func (r *rig) publish(n int) {
	r.command("publish %d %d", r.numbers, n)
	r.numbers += n
}

// echo has the board say what it understood.
func (r *rig) echo(n int) {
	for range n {
		payload := r.command("echo %s", strings.Repeat("\x00\xff", r.commands%40))
		r.echoes = append(r.echoes, fmt.Sprintf("%d %d", r.commands-1, crc32.ChecksumIEEE([]byte(payload))))
	}
}

// data is the payload of the board's n-th message.
func data(n int) string {
	payload := fmt.Appendf(nil, "%d ", n)
	for i := range n * 7 % 48 {
		payload = append(payload, byte(n*31+i*7))
	}
	return string(payload)
}

// received returns what has arrived from the board, by topic.
func (r *rig) received() (numbers, echoes []string) {
	for _, m := range r.judge.Arrived(0) {
		switch m.Topic {
		case "up/data":
			numbers = append(numbers, m.Payload)
		case "up/echo":
			echoes = append(echoes, m.Payload)
		default:
			r.t.Errorf("%q arrived on %s", m.Payload, m.Topic)
		}
	}
	return numbers, echoes
}

// want waits until all that is owed has arrived, and demands it once and in order. With copies, only the first of each must be in order.
func (r *rig) want(copies bool) {
	r.t.Helper()
	var wanted []string
	for n := range r.numbers {
		wanted = append(wanted, data(n))
	}
	var numbers, echoes []string
	patience.Within(patience.Limit, func() bool {
		numbers, echoes = r.received()
		if copies {
			numbers, echoes = firsts(numbers), firsts(echoes)
		}
		return len(numbers) >= len(wanted) && len(echoes) >= len(r.echoes)
	})
	wantOnce(r.t, "up/data", numbers, wanted)
	wantOnce(r.t, "up/echo", echoes, r.echoes)
}

// firsts leaves the first copy of each.
func firsts(all []string) []string {
	seen := make(map[string]bool, len(all))
	var first []string
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			first = append(first, s)
		}
	}
	return first
}

func wantOnce(t testing.TB, topic string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("%s: %d messages of %d have come; %q is missing", topic, len(got), len(want), want[i])
			return
		case i >= len(want):
			t.Errorf("%s: %d messages too many, the first is %q", topic, len(got)-len(want), got[i])
			return
		case got[i] != want[i]:
			t.Errorf("%s: number %d is %q, want %q", topic, i, got[i], want[i])
			return
		}
	}
}
