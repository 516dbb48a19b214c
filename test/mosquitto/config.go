package mosquitto

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Config says what broker is wanted. The zero value is plain MQTT for everybody, remembering nothing beyond its process.
type Config struct {
	// TLS makes the broker speak TLS, on the WebSocket listener too. Nil: plain TCP.
	TLS *TLS

	// Users lets in only those it names, with their passwords. Nil: everybody, with or without a name.
	Users map[string]string

	// ACL are the lines of an ACL file, e.g. "user a", "topic read x/#". Nil: everything is allowed to everybody.
	ACL []string

	// WebSocket opens a second listener, for MQTT over WebSocket.
	WebSocket bool

	// Persistence keeps sessions, queues and retained messages in a file, saved after every round of the broker's loop that changed them:
	// what was acknowledged before a PINGRESP, say, survives Kill too.
	Persistence bool

	// MaxInflight is how many QoS 1 messages the broker has under way to one client. 0: mosquitto's 20.
	MaxInflight int

	// Lines are further lines of mosquitto.conf. They stand in the section of the main listener.
	Lines []string
}

// TLS is the broker's side of TLS, by files.
type TLS struct {
	CertFile, KeyFile string

	// ClientCAFile signs the clients that are let in; a client without a certificate is not. Empty: no certificate is asked for.
	ClientCAFile string

	// IdentityAsUsername takes the common name of a client's certificate for the name of the user.
	IdentityAsUsername bool
}

// write writes mosquitto.conf, and what it refers to, into dir and returns its path.
func (c *Config) write(t testing.TB, dir string, port, wsPort int) string {
	t.Helper()
	global := []string{
		"log_dest stderr",
		"log_type all",
		"log_timestamp_format %H:%M:%S",
		"connection_messages true",
		"sys_interval 0",
		// A test that overruns the default queue of 1000 must not lose messages in silence.
		"max_queued_messages 0",
		fmt.Sprintf("allow_anonymous %t", c.Users == nil),
	}
	if os.Geteuid() == 0 {
		// Else it drops to the user mosquitto, who cannot read the folder of a test.
		global = append(global, "user root")
	}
	if c.MaxInflight > 0 {
		global = append(global, fmt.Sprintf("max_inflight_messages %d", c.MaxInflight))
	}
	if c.Persistence {
		global = append(global, "persistence true", "persistence_location "+dir+"/", "autosave_on_changes true", "autosave_interval 1")
	}
	if c.Users != nil {
		global = append(global, "password_file "+c.writeUsers(t, dir))
	}
	if c.ACL != nil {
		global = append(global, "acl_file "+writeLines(t, filepath.Join(dir, "acl"), c.ACL))
	}
	lines := slices.Concat(global, []string{fmt.Sprintf("listener %d 127.0.0.1", port)}, c.tlsLines(), c.Lines)
	if c.WebSocket {
		// libwebsockets binds an interface, and given an address it binds them all.
		listener := fmt.Sprintf("listener %d %s", wsPort, loopback(t))
		lines = slices.Concat(lines, []string{listener, "protocol websockets"}, c.tlsLines())
	}
	return writeLines(t, filepath.Join(dir, "mosquitto.conf"), lines)
}

func (c *Config) tlsLines() []string {
	if c.TLS == nil {
		return nil
	}
	lines := []string{"certfile " + c.TLS.CertFile, "keyfile " + c.TLS.KeyFile}
	if c.TLS.ClientCAFile != "" {
		lines = append(lines, "cafile "+c.TLS.ClientCAFile, "require_certificate true")
	}
	if c.TLS.IdentityAsUsername {
		lines = append(lines, "use_identity_as_username true")
	}
	return lines
}

// writeUsers writes the password file.
func (c *Config) writeUsers(t testing.TB, dir string) string {
	t.Helper()
	path := writeLines(t, filepath.Join(dir, "passwords"), nil)
	program := find(t, "mosquitto_passwd")
	for _, name := range slices.Sorted(maps.Keys(c.Users)) {
		output, err := exec.CommandContext(t.Context(), program, "-b", path, name, c.Users[name]).CombinedOutput()
		if err != nil {
			t.Fatalf("mosquitto: write the password of %s: %v\n%s", name, err, output)
		}
	}
	return path
}

func writeLines(t testing.TB, path string, lines []string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatalf("mosquitto: %v", err)
	}
	return path
}

// loopback returns the name of the loopback interface.
func loopback(t testing.TB) string {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatalf("mosquitto: %v", err)
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Name
		}
	}
	t.Fatal("mosquitto: this machine has no loopback interface")
	return ""
}

// find returns the path of a program of the mosquitto package. Debian keeps the broker in /usr/sbin, which is not in every user's PATH.
func find(t testing.TB, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name, "/usr/bin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("mosquitto: %s is not installed; on Debian, Raspberry Pi OS and Ubuntu: apt-get install mosquitto", name)
	return ""
}
