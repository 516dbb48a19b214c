package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// keep puts messages into the outbox of a device, as an earlier run would have.
func keep(t *testing.T, dir string, payloads ...string) {
	t.Helper()
	log, err := outbox.Open(outbox.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range payloads {
		m := outbox.Message{Client: "b1", Topic: []byte("a/b"), Payload: []byte(p), QoS: 1, Accepted: time.Now()}
		if _, err := log.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUnusableOutbox: a device whose outbox cannot be used says why, wherever one would
// look, and the others run.
func TestUnusableOutbox(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "holiday.jpg")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("JFIF"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, base+fmt.Sprintf("outbox: {dir: %s}\ndevices: [{name: a, port: /none/a}, {name: b, port: /none/b}]\n", dir), nil)
	r.wantLog("outbox cannot be used, the port stays closed")
	r.wantLog("port is not there") // that of b
	want := path + " is no file of this outbox; move it elsewhere"
	r.wantPage("/-/ready", "umqttd is not ready", "device a: outbox: "+want)
	r.wantPage("/", want)
	if ready := r.get("/-/ready"); strings.Contains(ready, "device b") {
		t.Error(ready)
	}
}

// TestWhatIsStoredIsShown on the page and in the line for systemctl status.
func TestWhatIsStoredIsShown(t *testing.T) {
	dir := t.TempDir()
	keep(t, filepath.Join(dir, "a"), "1", "2", "3")
	yaml := strings.Replace(base, "url: embedded", "url: mqtt://127.0.0.1:1", 1) // nobody is there
	r := start(t, yaml+fmt.Sprintf("outbox: {dir: %s}\ndevices: [{name: a, port: /none/a}]\n", dir), nil)
	r.wantLog("outbox open")
	r.wantLog("port is not there")
	r.wantPage("/", "<dt>in the outbox</dt><dd>3")
	if line := r.summary(t.Context()); line != "0/1 devices up, no board connected, outbox 3" {
		t.Errorf("systemd is told %q", line)
	}
}

// TestOrphanedMessages of a device that has another name now are warned of.
func TestOrphanedMessages(t *testing.T) {
	dir := t.TempDir()
	keep(t, filepath.Join(dir, "old"), "1", "2")
	r := start(t, base+fmt.Sprintf("outbox: {dir: %s}\ndevices: [{name: new, port: /none/a}]\n", dir), nil)
	r.wantLog("stored messages belong to no device that is configured")
}
