package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/umqttd/umqttd/daemon/tasktest"
	"github.com/umqttd/umqttd/test/certs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed is a gateway that always says the same.
type fixed struct {
	status   Status
	notReady []string
}

func (f fixed) Status() Status     { return f.status }
func (f fixed) NotReady() []string { return f.notReady }

// start runs a server on a free loopback port until the test ends, and returns its URL.
func start(t *testing.T, cfg Config) (url string, stop func()) {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Gateway == nil {
		cfg.Gateway = fixed{}
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop = tasktest.Start(t, s)
	return "http://" + s.Addr().String(), stop
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends one request over a connection of its own. edit may change it first.
func ask(t *testing.T, method, url string, edit func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	a, err := send(r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func send(r *http.Request) (answer, error) {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}, err
}

func TestPaths(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "umqttd_device_up 1\n") })
	url, _ := start(t, Config{Metrics: metrics})
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/metrics", 200, "umqttd_device_up 1"},
		{"GET", "/-/healthy", 200, "umqttd is healthy.\n"},
		{"GET", "/-/ready", 200, "umqttd is ready.\n"},
		{"GET", "/", 200, "<!DOCTYPE html>"},
		{"GET", "/style.css", 200, "prefers-color-scheme: dark"},
		{"GET", "/icon.svg", 200, "<svg"},
		{"HEAD", "/", 200, ""},
		{"HEAD", "/metrics", 200, ""},
		{"GET", "/nothing", 404, ""},
		{"GET", "/assets/page.html", 404, ""},
		{"GET", "/debug/pprof/", 404, ""},
		{"POST", "/", 405, ""},
		{"PUT", "/metrics", 405, ""},
		{"DELETE", "/-/ready", 405, ""},
		{"OPTIONS", "/", 405, ""},
	} {
		got := ask(t, test.method, url+test.path, nil)
		if got.status != test.status || !strings.Contains(got.body, test.body) {
			t.Errorf("%s %s: %d %q, want %d with %q", test.method, test.path, got.status, got.body, test.status, test.body)
		}
		if got.status == 405 && got.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow is %q", test.method, test.path, got.header.Get("Allow"))
		}
	}
}

func TestNotReadyTellsWhy(t *testing.T) {
	url, _ := start(t, Config{Gateway: fixed{notReady: []string{"embedded broker: starting", "device attic\x1b[2J"}}})
	got := ask(t, "GET", url+"/-/ready", nil)
	if want := "umqttd is not ready:\nembedded broker: starting\ndevice attic\\x1b[2J\n"; got.status != 503 || got.body != want {
		t.Errorf("%d %q, want 503 %q", got.status, got.body, want)
	}
	if got := ask(t, "GET", url+"/-/healthy", nil); got.status != 200 {
		t.Errorf("healthy: %d, want 200, ready or not", got.status)
	}
}

func TestHeaders(t *testing.T) {
	url, _ := start(t, Config{})
	for _, path := range []string{"/", "/-/ready", "/style.css", "/nothing"} {
		got := ask(t, "GET", url+path, nil).header
		for key, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got.Get(key) != want {
				t.Errorf("%s: %s is %q, want %q", path, key, got.Get(key), want)
			}
		}
	}
	for _, unsafe := range []string{"unsafe", "*", "data:", "http", "script-src 'unsafe"} {
		if strings.Contains(policy, unsafe) {
			t.Errorf("the policy has %q", unsafe)
		}
	}
}

func TestTheBrowserKeepsTheStyleSheet(t *testing.T) {
	url, _ := start(t, Config{})
	first := ask(t, "GET", url+"/style.css", nil)
	second := ask(t, "GET", url+"/style.css", func(r *http.Request) { r.Header.Set("If-None-Match", first.header.Get("ETag")) })
	if second.status != 304 || second.body != "" {
		t.Errorf("%d with %d bytes, want 304 without", second.status, len(second.body))
	}
}

// DNS rebinding: a name that is not ours is refused, whatever it asks for.
func TestForeignHostsAreRefused(t *testing.T) {
	url, _ := start(t, Config{HostName: "Pi-Attic", Metrics: http.NotFoundHandler()})
	port := url[strings.LastIndex(url, ":"):]
	for host, want := range map[string]int{
		"127.0.0.1" + port: 200, "127.0.0.1": 200, "127.1.2.3" + port: 200, "[::1]" + port: 200, "[::ffff:127.0.0.1]": 200,
		"localhost" + port: 200, "LOCALHOST": 200, "localhost.": 200,
		"pi-attic" + port: 200, "PI-ATTIC.local": 200, "pi-attic.local." + port: 200,
		"evil.example" + port: 421, "pi-attic.evil.example": 421, "localhost.evil.example": 421, "evil.localhost": 421, "127.0.0.1.evil.example": 421,
		"192.0.2.1" + port: 421, "[2001:db8::1]": 421, ".local": 421, "0.0.0.0": 421,
	} {
		for _, path := range []string{"/", "/-/ready", "/-/healthy", "/style.css"} {
			if got := ask(t, "GET", url+path, func(r *http.Request) { r.Host = host }); got.status != want {
				t.Errorf("Host %s, %s: %d, want %d", host, path, got.status, want)
			}
		}
	}
	got := ask(t, "GET", url+"/metrics", func(r *http.Request) { r.Host = "evil.example" })
	if got.status != 421 || strings.Contains(got.body, "evil") {
		t.Errorf("/metrics: %d %q, want 421, and the name not repeated", got.status, got.body)
	}
}

func TestHostsByAddress(t *testing.T) {
	s, err := New(Config{Listen: "pi.example.org:9884", HostName: "pi", Gateway: fixed{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		host, local string
		want        bool
	}{
		{"192.168.1.5:9884", "192.168.1.5:9884", true},
		{"192.168.1.5", "[::ffff:192.168.1.5]:9884", true}, // a socket for both families
		{"192.168.1.6:9884", "192.168.1.5:9884", false},
		{"[fe80::1%25eth0]:9884", "[fe80::1%eth0]:9884", true},
		{"[fe80::1]:9884", "[fe80::1%eth0]:9884", true},
		{"pi.example.org", "192.168.1.5:9884", true}, // as in http.listen
		{"other.example.org", "192.168.1.5:9884", false},
		{"", "192.168.1.5:9884", true},
	} {
		local, err := net.ResolveTCPAddr("tcp", test.local)
		if err != nil {
			t.Fatal(err)
		}
		r := (&http.Request{Host: test.host}).WithContext(context.WithValue(context.Background(), http.LocalAddrContextKey, net.Addr(local)))
		if got := s.welcome(r); got != test.want {
			t.Errorf("Host %q on %s: %v, want %v", test.host, test.local, got, test.want)
		}
	}
}

// webConfig writes a web configuration with a certificate made for it and one user, and returns its path.
func webConfig(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	server := certs.NewAuthority(t, dir, "ca").Server(t, "server", time.Time{})
	hash, err := bcrypt.GenerateFromPassword([]byte("wonderland"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "web.yml")
	text := fmt.Appendf(nil, "tls_server_config: {cert_file: %q, key_file: %q}\nbasic_auth_users: {alice: %q}\n", server.CertFile, server.KeyFile, hash)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTLSAndPasswordsFromTheWebConfiguration(t *testing.T) {
	url, _ := start(t, Config{WebConfigFile: webConfig(t)})
	url = strings.Replace(url, "http:", "https:", 1)
	for _, path := range []string{"/", "/metrics", "/-/healthy"} {
		if got := ask(t, "GET", url+path, nil); got.status != 401 {
			t.Errorf("%s without a password: %d, want 401", path, got.status)
		}
	}
	got := ask(t, "GET", url+"/", func(r *http.Request) { r.SetBasicAuth("alice", "wonderland") })
	if got.status != 200 || got.header.Get("Content-Security-Policy") != policy {
		t.Errorf("with the password: %d, want 200", got.status)
	}
	got = ask(t, "GET", url+"/", func(r *http.Request) { r.Host = "evil.example"; r.SetBasicAuth("alice", "wonderland") })
	if got.status != 421 {
		t.Errorf("with the password, foreign host: %d, want 421", got.status)
	}
}

func TestConfigurationFaults(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(bad, []byte("tls_server_config: {cert_file: nowhere.pem}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{Listen: "localhost"}, "http.listen"},
		{Config{WebConfigFile: bad}, "http.web_config_file: " + bad},
		{Config{WebConfigFile: bad + ".none"}, "no such file"},
	} {
		if _, err := New(test.cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("New(%+v): %v, want an error that says %q", test.cfg, err, test.want)
		}
	}
}

func TestAddressInUseNamesTheKey(t *testing.T) {
	url, _ := start(t, Config{})
	second, err := New(Config{Listen: strings.TrimPrefix(url, "http://"), Gateway: fixed{}})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(context.Background())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "http.listen") {
		t.Errorf("got %v, want EADDRINUSE that names http.listen", err)
	}
}

// slow is a gateway whose status takes until it is let go.
type slow struct{ asked, release chan struct{} }

func (s slow) NotReady() []string { return nil }
func (s slow) Status() Status {
	close(s.asked)
	<-s.release
	return Status{Name: "slow"}
}

func TestStopLetsARunningRequestEnd(t *testing.T) {
	gateway := slow{make(chan struct{}), make(chan struct{})}
	url, stop := start(t, Config{Gateway: gateway})
	r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		answer
		err error
	}
	got := make(chan result, 1)
	go func() {
		a, err := send(r)
		got <- result{a, err}
	}()
	<-gateway.asked
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	for listening := true; listening; { // until the stop has begun
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if listening = err == nil; listening {
			_ = conn.Close()
		}
	}
	close(gateway.release)
	if g := <-got; g.err != nil || g.status != 200 {
		t.Errorf("the running request got %d, %v; want 200", g.status, g.err)
	}
	<-stopped
}
