package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/daemon/change"
	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/logs"
	"github.com/umqttd/umqttd/daemon/logs/logtest"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// reloader is a daemon whose configuration changes.
type reloader struct {
	*runner
	systemd *manager
	dir     string
	text    string
}

// startReloader starts a daemon that systemd watches.
func startReloader(t *testing.T, yaml string, change func(*Options)) *reloader {
	t.Helper()
	r := &reloader{systemd: newManager(t), dir: t.TempDir(), text: yaml}
	r.runner = start(t, yaml, func(o *Options) {
		o.Reload = func() (*config.Config, []config.Warning, error) {
			return config.Parse(filepath.Join(r.dir, "test.yaml"), []byte(r.text), nil)
		}
		if change != nil {
			change(o)
		}
	})
	r.systemd.want("READY=1")
	return r
}

// reload puts a configuration in force, or tries to, and waits until systemd is told
// that it is over.
func (r *reloader) reload(yaml string) {
	r.t.Helper()
	r.text = yaml
	r.Reload()
	r.systemd.want("RELOADING=1\nMONOTONIC_USEC=")
	r.systemd.want("READY=1")
}

// wantGood wants that the last reload succeeded, and wantBad that it did not.
func (r *reloader) wantGood() { r.t.Helper(); r.wantSuccess("1") }
func (r *reloader) wantBad()  { r.t.Helper(); r.wantSuccess("0") }

func (r *reloader) wantSuccess(value string) {
	r.t.Helper()
	if !strings.Contains(scrape(r.Daemon), "\numqttd_config_last_reload_successful "+value+"\n") {
		r.t.Fatalf("umqttd_config_last_reload_successful is not %s", value)
	}
}

// udpDevice describes a datagram device.
func udpDevice(name, addr string, more ...string) string {
	return fmt.Sprintf("  - {name: %s, port: \"udp://%s\"%s}\n", name, addr, strings.Join(more, ""))
}

// wantSession wants that the board's session goes on: a PINGREQ of a client without one is
// answered DISCONNECT.
func (b *board) wantSession() {
	b.t.Helper()
	if a := b.exchange(mqttsn.Packet{Type: mqttsn.PingReq}); a.Type != mqttsn.PingResp {
		b.t.Errorf("the session is over: PINGREQ was answered %s", a.String())
	}
}

// TestReload: what differs is done, and nothing else.
func TestReload(t *testing.T) {
	kept, gone, moved, fresh := freeUDP(t), freeUDP(t), freeUDP(t), freeUDP(t)
	r := startReloader(t, base+"devices:\n"+udpDevice("kept", kept)+udpDevice("gone", gone)+udpDevice("moved", moved), nil)
	board := dialBoard(t, kept)
	board.connect("b1")
	board.publish(1, "x")
	leaver, mover := dialBoard(t, gone), dialBoard(t, moved)
	leaver.connect("b2")
	mover.connect("b3")
	elsewhere := freeUDP(t)
	r.reload(base + "devices:\n" + udpDevice("fresh", fresh) + udpDevice("moved", elsewhere) + udpDevice("kept", kept))
	r.wantGood()
	r.wantLog(`configuration reloaded" done="removed gone; added fresh; restarted moved" keys=devices[].port`)
	board.wantSession()
	board.publish(2, "y")
	newcomer := dialBoard(t, fresh)
	newcomer.connect("b4")
	again := dialBoard(t, elsewhere)
	again.connect("b3")
	page := scrape(r.Daemon)
	for _, want := range []string{
		`umqttd_messages_total{device="kept",direction="uplink",qos="1"} 2`, `umqttd_board_connected{device="fresh"} 1`,
		`umqttd_board_connected{device="moved"} 1`, `umqttd_device_up{device="moved"} 1`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(page, `device="gone"`) {
		t.Error("/metrics still has the device that is gone")
	}
	r.wantPage("/-/ready", "200")
	if body := r.get("/"); strings.Index(body, "fresh") > strings.Index(body, "kept") {
		t.Error("the page does not have the order of the file")
	}
}

// TestReloadRefused: whatever is wrong, nothing has changed, and it is said.
func TestReloadRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	kept, other := freeUDP(t), freeUDP(t)
	good := base + "devices:\n" + udpDevice("kept", kept)
	r := startReloader(t, good, nil)
	board := dialBoard(t, kept)
	board.connect("b1")
	page := r.HTTPAddr().String()
	_, port, _ := net.SplitHostPort(page)
	beside := "127.0.0.2:" + port // which could be bound
	add := "devices:\n" + udpDevice("kept", kept) + udpDevice("other", other)
	for _, c := range []struct{ what, yaml, log string }{
		{"a fault", strings.Replace(base, "gateway: gw", "gatewy: gw", 1) + add, `gatewy: unknown key; did you mean gateway?`},
		{"two devices on one port", base + "devices:\n" + udpDevice("kept", kept) + udpDevice("other", kept), `devices[other].port: the same port stands on line`},
		{"an address that is taken", strings.Replace(base, `http: {listen: "127.0.0.1:0"`, fmt.Sprintf("http: {listen: %q", taken.Addr()), 1) + add, "http.listen: " + taken.Addr().String() + " is taken"},
		{"another embedded broker", strings.Replace(base, `embedded_broker: {listen: "127.0.0.1:0"`, `embedded_broker: {listen: "127.0.0.2:0"`, 1) + add, "a change of embedded_broker.listen takes a restart of umqttd"},
		{
			"a client id that is taken", strings.NewReplacer("gateway: gw", "gateway: b1", `http: {listen: "127.0.0.1:0"`, fmt.Sprintf("http: {listen: %q", beside)).Replace(base) + add,
			"client id b1 is that of a board of device kept",
		},
		{"another log without a switch", base + "log: {level: debug}\n" + add, "a change of log takes a restart"},
	} {
		r.reload(c.yaml)
		r.wantBad()
		r.wantLog(c.log)
		if strings.Contains(scrape(r.Daemon), `device="other"`) {
			t.Errorf("%s: half of it was done", c.what)
		}
		board.wantSession()
	}
	if conn, err := net.Dial("tcp", beside); err == nil {
		_ = conn.Close()
		t.Errorf("%s is still bound", beside)
	}
	if got := r.HTTPAddr().String(); got != page {
		t.Errorf("the page moved from %s to %s", page, got)
	}
	r.wantPage("/-/ready", "200")
	for _, status := range r.systemd.want("STATUS=1/1 devices up") {
		t.Logf("before: %s", status)
	}
	r.reload(good)
	r.wantGood()
	r.wantLog("configuration unchanged")
}

// TestReloadAdjusts: what a device takes while it runs costs no session.
func TestReloadAdjusts(t *testing.T) {
	addr := freeUDP(t)
	r := startReloader(t, base+"devices:\n"+udpDevice("d", addr), nil)
	b := dialBoard(t, addr)
	b.connect("b1")
	b.publish(1, "as long as it likes")
	r.reload(base + "devices:\n" + udpDevice("d", addr, ", limits: {max_payload: 3}"))
	r.wantGood()
	b.wantSession()
	long := mqttsn.Packet{
		Type: mqttsn.Publish, Flags: mqttsn.QoS1 | mqttsn.Flags(mqttsn.ShortName), TopicID: mqttsn.ShortTopic('a', 'b'), MsgID: 2, Data: []byte("long"),
	}
	if a := b.exchange(long); a.ReturnCode != mqttsn.NotSupported {
		t.Errorf("a payload above the new limit was answered %s", a.String())
	}
	b.publish(3, "ok")
	r.reload(strings.Replace(base, "http: {", "http: {show_payloads: true, ", 1) + "devices:\n" + udpDevice("d", addr))
	b.wantSession()
	b.publish(4, "now it is shown")
	r.wantPage("/", "now it is shown")
	r.reload(base + "devices:\n" + udpDevice("d", addr))
	if strings.Contains(r.get("/"), "now it is shown") {
		t.Error("the page still shows payloads")
	}
	b.wantSession()
}

// TestReloadMovesThePage: to an address that overlaps, elsewhere, away and back. It
// answers at the new one when the reload is over, and at the old one no more.
func TestReloadMovesThePage(t *testing.T) {
	r := startReloader(t, base, nil)
	at := func(listen string) string {
		return strings.Replace(base, `http: {listen: "127.0.0.1:0"`, fmt.Sprintf("http: {listen: %q", listen), 1)
	}
	answers := func(addr string) bool {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + addr + "/-/healthy")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	first := r.HTTPAddr().String()
	_, port, _ := net.SplitHostPort(first)
	for _, step := range []struct{ listen, yes, no string }{
		{":" + port, "127.0.0.2:" + port, ""},
		{"127.0.0.1:" + port, first, "127.0.0.2:" + port},
		{"127.0.0.3:0", "", first},
	} {
		r.reload(at(step.listen))
		r.wantGood()
		yes := step.yes
		if yes == "" {
			yes = r.HTTPAddr().String()
		}
		if !answers(yes) {
			t.Errorf("%s: no answer from %s", step.listen, yes)
		}
		if step.no != "" && answers(step.no) {
			t.Errorf("%s: %s still answers", step.listen, step.no)
		}
	}
	last := r.HTTPAddr().String()
	r.reload(at(""))
	r.wantGood()
	if r.HTTPAddr() != nil || answers(last) {
		t.Error("there is still a page")
	}
	r.reload(at("127.0.0.1:0"))
	r.wantPage("/-/ready", "200")
}

// TestReloadOfTheGateway: under its new name it says who is online, and a session that
// nobody wants any more ends.
func TestReloadOfTheGateway(t *testing.T) {
	addr := freeUDP(t)
	devices := "devices:\n" + udpDevice("d", addr)
	r := startReloader(t, base+devices, nil)
	b := dialBoard(t, addr)
	b.connect("b1")
	w := newWitness(t, r.BrokerAddr(), "umqttd/#")
	w.want("umqttd/gw/status online", "umqttd/gw/d/status online")
	r.reload(strings.Replace(base, "gateway: gw", "gateway: other", 1) + devices)
	w.want("umqttd/gw/status offline", "umqttd/gw/d/status offline", "umqttd/other/status online", "umqttd/other/d/status online")
	b.wantSession()
	r.reload(strings.Replace(base, "gateway: gw", `gateway: ""`, 1) + devices)
	w.want("umqttd/other/status offline", "umqttd/other/d/status offline")
	r.reload(base + devices)
	w.want("umqttd/gw/status online", "umqttd/gw/d/status online")
	r.reload(base)
	w.want("umqttd/gw/d/status offline", "umqttd/gw/d/status ") // and then none
}

// TestReloadOfTheBrokerInside: it starts when the first device needs it and ends after the
// last one has gone.
func TestReloadOfTheBrokerInside(t *testing.T) {
	addr := freeUDP(t)
	without := "http: {listen: \"127.0.0.1:0\"}\ngateway: \"\"\nembedded_broker: {listen: \"127.0.0.1:0\"}\n"
	r := startReloader(t, without, nil)
	r.reload(without + "devices:\n" + udpDevice("d", addr, ", broker: {url: embedded}"))
	r.wantGood()
	b := dialBoard(t, addr)
	b.connect("b1")
	b.publish(1, "x")
	inside := r.BrokerAddr().String()
	r.reload(without)
	r.wantGood()
	if conn, err := net.Dial("tcp", inside); err == nil {
		_ = conn.Close()
		t.Error("the broker inside still listens")
	}
}

// TestReloadOfTheLog: level and format change for loggers that are in use.
func TestReloadOfTheLog(t *testing.T) {
	r := startReloader(t, base, nil)
	sw, err := logs.NewSwitch("info", logs.FormatText, r.log)
	if err != nil {
		t.Fatal(err)
	}
	r.opts.Logs = sw // nobody reads it before the next reload
	r.reload(base + "log: {level: warn, format: json}\n")
	r.wantGood()
	log := sw.Handler()
	if log.Enabled(t.Context(), -4) || log.Enabled(t.Context(), 0) || !log.Enabled(t.Context(), 4) {
		t.Error("the level is not the new one")
	}
}

// TestReloadWhileStarting: it is done when the gateway is ready, and systemd is told
// nothing before.
func TestReloadWhileStarting(t *testing.T) {
	systemd := newManager(t)
	r := start(t, base, func(o *Options) {
		o.Reload = func() (*config.Config, []config.Warning, error) { return parse(t, base+"max_nodes: 5"), nil, nil }
	})
	systemd.want("READY=1")
	r.stop()
	d, err := New(parse(t, base), r.opts)
	if err != nil {
		t.Fatal(err)
	}
	d.Reload()
	systemd.want("STOPPING=1")
	systemd.wantNothing()
	r.Daemon = d
	r.run()
	for _, before := range systemd.want("RELOADING=1") {
		if !strings.HasPrefix(before, "STATUS=") && before != "READY=1" {
			t.Errorf("systemd was told %q before", before)
		}
	}
	systemd.want("READY=1")
	r.wantLog("keys=max_nodes")
}

// TestReloadWhileStopping is said, and not done.
func TestReloadWhileStopping(t *testing.T) {
	r := startReloader(t, base, nil)
	r.text = "gatewy: gw"
	r.stop()
	r.Reload()
	r.systemd.want("STOPPING=1")
	r.systemd.wantNothing()
}

// TestReloadOfNothing: who gave no way to read it again is told so.
func TestReloadOfNothing(t *testing.T) {
	r := startReloader(t, base, func(o *Options) { o.Reload = nil })
	r.reload(base)
	r.wantBad()
	r.wantLog("it cannot be read again")
}

// TestReloadOfADeviceThatHangs waits for it no longer than for a stop. Its successor waits
// until it has ended, however often it is replaced meanwhile; nobody else waits.
func TestReloadOfADeviceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := func(baud int) *config.Config {
			return parse(t, fmt.Sprintf("http: {listen: \"\"}\ngateway: \"\"\ndevices: [{name: a, port: /none/a, baud: %d}, {name: b, port: /none/b}]", baud))
		}
		var book logtest.Book
		d, err := New(config(9600), Options{Log: book.Logger()})
		if err != nil {
			t.Fatal(err)
		}
		failed := newFailures()
		d.stages = stages{failed, newStage(failed), newStage(failed), newStage(failed)}
		release := make(chan struct{})
		first, other := d.now.Load().devices[0], d.now.Load().devices[1]
		first.build = func(devices.Config, func()) *devices.Device { <-release; return nil }
		for _, s := range d.now.Load().devices {
			d.stages.boards.start(s)
		}
		synctest.Wait()
		for i, baud := range []int{19200, 38400} {
			begun := time.Now()
			next, err := d.prepare(config(baud))
			if err == nil {
				err = next.bind(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			next.apply(t.Context())
			if took := time.Since(begun); i == 0 && took != stageTimeout || i > 0 && took != 0 {
				t.Errorf("reload %d took %v", i, took)
			}
			synctest.Wait()
			if s := d.now.Load().devices[0]; s == first || s.current.Load() != nil {
				t.Fatal("the successor did not wait")
			}
			if d.now.Load().devices[1] != other {
				t.Error("the other device is another one")
			}
		}
		if !strings.Contains(book.String(), `if it is to be started again, that waits" device=a`) {
			t.Error("nobody says that it hangs")
		}
		if reasons := (*page)(d).NotReady(); !slices.Contains(reasons, "device a is not ready") {
			t.Errorf("not ready because of %q", reasons)
		}
		close(release)
		synctest.Wait()
		if s, ok := d.now.Load().devices[0].status(t.Context()); !ok || !strings.Contains(s.Problem, "no such port") {
			t.Errorf("the successor says %+v, %v", s, ok)
		}
		d.stages.boards.stop(t.Context())
		if left := d.stages.boards.left(); left != nil || failed.take() != nil {
			t.Errorf("left %v", left)
		}
	})
}

// TestNews is what systemctl status shows of a reload.
func TestNews(t *testing.T) {
	now := time.Now()
	at := now.Format(time.TimeOnly)
	fault := config.Fault{File: "f.yaml", Line: 3, Wrong: "unknown key"}
	for _, c := range []struct {
		what  string
		news  news
		after time.Duration
		want  string
	}{
		{"none", news{}, 0, ""},
		{"good", newsOf(&change.Plan{Removed: []string{"shed"}}, nil), newsFor / 2, "; reloaded at " + at + ": removed shed"},
		{"good, long ago", newsOf(new(change.Plan), nil), 2 * newsFor, ""},
		{"bad, long ago", newsOf(nil, errors.New("no")), time.Hour, "; configuration not taken at " + at + ": no"},
		{"a fault", newsOf(nil, config.Faults{fault}), 0, "; configuration not taken at " + at + ": f.yaml:3: unknown key"},
		{"faults", newsOf(nil, config.Faults{fault, fault}), 0, "; configuration not taken at " + at + ": 2 faults, the first: f.yaml:3: unknown key"},
		{"long", newsOf(nil, errors.New(strings.Repeat("é", newsLen))), 0, "; configuration not taken at " + at + ": " + strings.Repeat("é", newsLen/2) + "..."},
	} {
		if !c.news.at.IsZero() {
			c.news.at = now
		}
		if got := c.news.line(now.Add(c.after)); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// TestReloadOfTheOutbox: with none there is nothing left of it in the metrics, and what it
// held is said.
func TestReloadOfTheOutbox(t *testing.T) {
	dir, addr := t.TempDir(), freeUDP(t)
	devices := "devices:\n" + udpDevice("d", addr)
	with := fmt.Sprintf("outbox: {dir: %q}\n", dir)
	r := startReloader(t, base+with+devices, nil)
	r.wantLog("outbox open")
	r.reload(base + devices)
	r.wantGood()
	if !strings.Contains(scrape(r.Daemon), "umqttd_outbox_max_bytes{device=\"d\"} 0\n") {
		t.Error("the metrics still have the outbox")
	}
	r.reload(base + with + devices)
	r.wantGood()
	dialBoard(t, addr).connect("b1")
}
