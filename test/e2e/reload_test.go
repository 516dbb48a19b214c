package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

const (
	reloadGood = "umqttd_config_last_reload_successful"
	reloadTime = "umqttd_config_last_reload_success_timestamp_seconds"
)

// reloadConfig is a configuration with the usual broker, an outbox, and these devices: a name and what stands after it.
func reloadConfig(r *rig, outbox string, devices ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "broker: {url: %q, reconnect: {min: 20ms, max: 200ms}}\ngateway: gw\noutbox: {dir: %q}\ndevices:\n", r.broker.URL(), outbox)
	for _, d := range devices {
		fmt.Fprintf(&b, "  - {%s}\n", d)
	}
	return b.String()
}

// onLine describes a device on a cable.
func onLine(name string, line *cable.Cable, more ...string) string {
	return fmt.Sprintf("name: %s, port: %s", name, strings.Join(append([]string{line.Path()}, more...), ", "))
}

// hangUp replaces the configuration and sends SIGHUP. umqttd may be reading at that moment, for an earlier one: it must never find half a file.
func (r *rig) hangUp(config string) {
	r.t.Helper()
	r.replace(fmt.Appendf(nil, "%s\nhttp: {listen: %q}\n", config, r.page()))
}

func (r *rig) replace(config []byte) {
	r.t.Helper()
	path := r.configFile()
	err := os.WriteFile(path+".new", config, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.gateway.Signal(syscall.SIGHUP)
}

// configFile is what umqttd was told to read.
func (r *rig) configFile() string {
	r.t.Helper()
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.gateway.PID()))
	if err != nil {
		r.t.Fatal(err)
	}
	all := strings.Split(string(args), "\x00")
	return all[slices.Index(all, "--config")+1]
}

// page is where the file says that the page is.
func (r *rig) page() string {
	r.t.Helper()
	text, err := os.ReadFile(r.configFile())
	if err != nil {
		r.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "http: {listen: \"")
	addr, _, _ := strings.Cut(after, "\"")
	return addr
}

// reload puts a configuration in force and waits until it is.
func (r *rig) reload(config string) {
	r.t.Helper()
	before := r.gateway.Metric(reloadTime)
	r.hangUp(config)
	patience.Wait(r.t, "the configuration is reloaded", func() bool { return r.gateway.Metric(reloadTime) > before })
	r.gateway.WaitMetric(reloadGood, 1)
}

// trace of a device: what would be another one if it had not been left alone.
type untouched struct {
	r           *rig
	board       *cable.Board
	line        *cable.Cable
	descriptors []string // on its port and to the broker, each with its number
	sent        float64  // bytes to the board
	disconnects int      // that it has heard: one when its port was opened
}

// watch remembers how the device attic is. The board must have nothing to say until the next call of want.
func watch(r *rig, b *cable.Board) *untouched {
	r.t.Helper()
	return &untouched{r, b, r.line, descriptors(r, r.line), r.gateway.Metric(metric("serial_bytes_total", `direction="tx"`)), b.Heard(mqttsn.Disconnect)}
}

// want wants that nothing has touched it: the same descriptor of the port, the same connection to the broker, and not a byte on the line.
func (u *untouched) want(after string) {
	t := u.r.t
	t.Helper()
	now := descriptors(u.r, u.line)
	for _, d := range u.descriptors {
		if !slices.Contains(now, d) {
			t.Errorf("%s: %s is not open any more, but %v", after, d, now)
		}
	}
	if sent := u.r.gateway.Metric(metric("serial_bytes_total", `direction="tx"`)); sent != u.sent {
		t.Errorf("%s: %v bytes were sent to the board", after, sent-u.sent)
	}
	if n := u.board.Heard(mqttsn.Disconnect); n != u.disconnects {
		t.Errorf("%s: the board heard DISCONNECT %d times", after, n-u.disconnects)
	}
	if n := strings.Count(u.r.broker.Log(), " as m5 ("); n != 1 {
		t.Errorf("%s: the broker has seen %d connections of the board, want 1", after, n)
	}
	wantUndisturbed(t, u.board)
}

// descriptors are those that umqttd has on the port of a cable and to the broker, as "7 /dev/pts/4" and "9 socket:[4711]". A socket's number is never used again.
func descriptors(r *rig, line *cable.Cable) (all []string) {
	t := r.t
	t.Helper()
	tty, err := filepath.EvalSymlinks(line.Path())
	if err != nil {
		t.Fatal(err)
	}
	sockets := brokerSockets(r)
	dir := fmt.Sprintf("/proc/%d/fd", r.gateway.PID())
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && (target == tty || slices.Contains(sockets, target)) {
			all = append(all, e.Name()+" "+target)
		}
	}
	if len(all) < 2 {
		t.Fatalf("umqttd has open: %v", all)
	}
	return all
}

// brokerSockets are the sockets of this machine that are connected to the broker: "socket:[4711]".
func brokerSockets(r *rig) (all []string) {
	r.t.Helper()
	_, port, err := net.SplitHostPort(r.broker.Addr())
	if err != nil {
		r.t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		r.t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
		if f := strings.Fields(line); len(f) > 9 && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", number)) {
			all = append(all, "socket:["+f[9]+"]")
		}
	}
	return all
}

// TestReload adds, changes, moves and removes the device of one board, and moves the page, while another board is left alone.
func TestReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{outbox: file(t, "first")})
	outbox := file(t, "outbox")
	attic := onLine("attic", r.line)
	r.reload(reloadConfig(r, outbox, attic)) // a change of outbox restarts; from now on it is the same
	r.gateway.WaitMetric(metric("device_up"), 1)
	judge := r.judge("+/t")
	b := r.board(board.Config{ClientID: "m5"})
	b.Subscribe("cmd/m5", 1)
	send(b, "m5/t", []string{"before"})
	b.WaitAcknowledged()
	judge.waitFor("m5/t", "before")
	u := watch(r, b)

	shedLine, otherLine := cable.New(t), cable.New(t)
	r.reload(reloadConfig(r, outbox, attic, onLine("shed", shedLine)))
	u.want("a device more")
	r.gateway.WaitMetric(`umqttd_device_up{device="shed"}`, 1)
	shed := cable.NewBoard(t, shedLine, board.Config{ClientID: "tank", MaxQueue: 100})
	shed.Wait(board.Connected, 1)
	send(shed, "tank/t", []string{"1"})
	shed.WaitAcknowledged()

	r.reload(reloadConfig(r, outbox, attic, onLine("shed", shedLine, "rx_buffer: 200")))
	u.want("another device changed")
	shed.Wait(board.Connected, 2) // nobody walked there
	send(shed, "tank/t", []string{"2"})
	shed.WaitAcknowledged()

	r.reload(reloadConfig(r, outbox, attic, onLine("shed", shedLine, "rx_buffer: 200", "limits: {max_payload: 1}")))
	u.want("another device adjusted")
	send(shed, "tank/t", []string{"3"})
	shed.WaitAcknowledged()
	if n := shed.Count(board.Connected); n != 2 {
		t.Errorf("a device that is adjusted cost its board %d sessions", n-2)
	}

	r.reload(reloadConfig(r, outbox, onLine("shed", otherLine), attic))
	u.want("another device moved, and the order changed")
	r.gateway.WaitMetric(`umqttd_device_up{device="shed"}`, 1)

	r.hangUp(reloadConfig(r, outbox, onLine("shed", otherLine), onLine("attic", otherLine)))
	r.gateway.WaitMetric(reloadGood, 0)
	u.want("two devices on one port")
	if r.gateway.Logged("devices[attic].port", "the same port stands on line") != 1 {
		t.Error("the log does not say which port is there twice")
	}

	r.reload(reloadConfig(r, outbox, attic))
	u.want("a device less")
	if strings.Contains(r.gateway.Page("/metrics"), `"shed"`) {
		t.Error("the metrics of a removed device are still there")
	}
	r.publish("cmd/m5", "still here")
	b.Wait(board.Received, 1)
	send(b, "m5/t", []string{"after"})
	b.WaitAcknowledged()
	wantOnce(t, payloads(judge.wait(5)), []string{"before", "1", "2", "3", "after"})
	if n := r.gateway.Metric(metric("messages_total", `direction="uplink"`, `qos="1"`)); n != 2 {
		t.Errorf("the counters of the device that was left alone count %v messages, want 2", n)
	}
}

// TestReloadMovesThePage binds the new address before the old one is given up, and leaves everything as it is if that is not possible.
func TestReloadMovesThePage(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{})
	b := r.board(board.Config{ClientID: "m5"})
	u := watch(r, b)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	first := r.page()
	r.move(first, taken.Addr().String())
	r.gateway.WaitMetric(reloadGood, 0)
	u.want("a page that cannot be moved")
	if r.gateway.Logged("http.listen: "+taken.Addr().String()+" is taken") != 1 {
		t.Error("the log does not say what is taken")
	}

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	next := free.Addr().String()
	_ = free.Close()
	r.move(first, next)
	patience.Wait(t, "the page is at "+next, func() bool { return healthy(next) })
	patience.Wait(t, "the page is not at "+first+" any more", func() bool { return !healthy(first) })
	r.move(next, first)
	patience.Wait(t, "the page is back", func() bool { return healthy(first) })
	r.gateway.WaitMetric(reloadGood, 1)
	u.want("a page that was moved and moved back")
}

func healthy(addr string) bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/-/healthy")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// move moves the page to another address. It answers until then.
func (r *rig) move(from, to string) {
	r.t.Helper()
	if !healthy(from) {
		r.t.Fatalf("the page is not at %s", from)
	}
	text, err := os.ReadFile(r.configFile())
	if err != nil {
		r.t.Fatal(err)
	}
	r.replace(bytes.ReplaceAll(text, []byte(r.page()), []byte(to)))
}

// TestReloadKeepsTheOutbox: what is stored when the broker is away goes on with the device to another port, and stays behind, with a warning, when another device
// takes its place.
func TestReloadKeepsTheOutbox(t *testing.T) {
	t.Parallel()
	outbox := file(t, "outbox")
	r := newRig(t, setup{broker: lasting, outbox: outbox})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5"})
	r.broker.Stop()
	sent := numbered("stored", 20)
	send(b, "m5/t", sent)
	b.WaitAcknowledged()
	elsewhere := cable.New(t)
	r.reload(reloadConfig(r, outbox, onLine("cellar", elsewhere)))
	r.gateway.WaitMetric(`umqttd_device_up{device="cellar"}`, 1)
	if r.gateway.Logged("stored messages belong to no device", "messages=20", "attic") != 1 {
		t.Error("nobody says that messages stay behind")
	}
	r.broker.Restart()
	r.reload(reloadConfig(r, outbox, onLine("attic", elsewhere)))
	judge.wait(len(sent))
	wantOnce(t, payloads(judge.all()), sent)
	r.gateway.WaitMetric(metric("outbox_messages"), 0)
}

// TestReloadStorm sends SIGHUP after SIGHUP, each time with other devices, while messages flow both ways. The board whose device never changes notices nothing; the one
// whose device comes and goes loses nothing; and what is in force in the end is the last file.
func TestReloadStorm(t *testing.T) {
	t.Parallel()
	outbox := file(t, "outbox")
	r := newRig(t, setup{outbox: outbox})
	attic := onLine("attic", r.line)
	shedLine := cable.New(t)
	variants := []string{
		reloadConfig(r, outbox, attic, onLine("shed", shedLine)),
		reloadConfig(r, outbox, attic, onLine("shed", shedLine, "rx_buffer: 200")),
		reloadConfig(r, outbox, attic),
		"devices: [{name: attic, prot: /dev/ttyUSB0}]",
		reloadConfig(r, outbox, attic, onLine("shed", shedLine, "limits: {max_payload: 100}")) + "log: {level: debug}\n",
	}
	r.reload(variants[0])
	r.gateway.WaitMetric(metric("device_up"), 1)
	r.gateway.WaitMetric(`umqttd_device_up{device="shed"}`, 1)
	judge := r.judge("+/t")
	b := r.board(board.Config{ClientID: "m5", Window: 4})
	shed := cable.NewBoard(t, shedLine, board.Config{ClientID: "tank", MaxQueue: 1000})
	shed.Wait(board.Connected, 1)
	b.Subscribe("cmd/m5", 1)
	up, tank, down := numbered("up", 600), numbered("tank", 100), numbered("down", 60)
	send(b, "m5/t", up)
	send(shed, "tank/t", tank)
	const rounds = 60
	for i := range rounds {
		r.hangUp(variants[i%len(variants)])
		if i%3 == 0 {
			r.publish("cmd/m5", down[i]) // which also takes a moment
		}
	}
	r.hangUp(reloadConfig(r, outbox, attic, onLine("shed", shedLine), "name: last, port: /nowhere"))
	patience.Wait(t, "the last file is in force", func() bool { return strings.Contains(r.gateway.Page("/metrics"), `device="last"`) })
	r.gateway.WaitMetric(reloadGood, 1)
	b.WaitAcknowledged()
	shed.WaitAcknowledged()
	b.Wait(board.Received, rounds/3)
	wantUndisturbed(t, b)
	var fromM5, fromTank []string
	patience.Wait(t, "the judge has heard it all", func() bool {
		fromM5, fromTank = nil, nil
		for _, m := range judge.all() {
			if m.topic == "m5/t" {
				fromM5 = append(fromM5, m.payload)
			} else {
				fromTank = append(fromTank, m.payload)
			}
		}
		return len(fromM5) >= len(up) && slices.Contains(fromTank, tank[len(tank)-1])
	})
	wantOnce(t, fromM5, up)
	wantAll(t, fromTank, tank)
	if n := strings.Count(r.broker.Log(), " as m5 ("); n != 1 {
		t.Errorf("the broker has seen %d connections of the board that was left alone", n)
	}
	t.Logf("%d reloads, %d refused, of %d signals; the board of the device that came and went connected %d times",
		r.gateway.Logged("configuration reloaded"), r.gateway.Logged("configuration not taken"), rounds+2, shed.Count(board.Connected))
}
