package prometheus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/patience"
)

// startAttempts is how many ports are tried before a test gives up.
const startAttempts = 10

// server is a Prometheus that scrapes one umqttd and has our rules.
type server struct {
	address string // host:port
}

// process is one run of the program.
type process struct {
	command *exec.Cmd
	log     bytes.Buffer  // valid after exited
	exited  chan struct{} // closed when it has ended
}

// startServer starts a Prometheus with further flags on a free port, and waits until it answers. It is gone when the test ends.
func startServer(t *testing.T, scraped string, flags ...string) *server {
	t.Helper()
	dir := t.TempDir()
	ours, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: [%q]
scrape_configs: [{job_name: umqttd, static_configs: [{targets: [%q]}]}]
`, ours, scraped)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	flags = append(flags, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--log.level=warn")
	for range startAttempts {
		s := &server{freeAddress(t)}
		p := &process{command: exec.CommandContext(t.Context(), find(t, "prometheus"), append(flags, "--web.listen-address="+s.address)...), exited: make(chan struct{})}
		if s.run(t, p) {
			return s
		}
	}
	t.Fatalf("prometheus: somebody was quicker to take each of %d ports", startAttempts)
	return nil
}

// run starts the program and waits until it is ready. It reports false if its port was taken.
func (s *server) run(t *testing.T, p *process) bool {
	t.Helper()
	p.command.Stderr = &p.log
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.command.Start(); err != nil {
		t.Fatalf("prometheus: %v", err)
	}
	go func() {
		defer close(p.exited)
		_ = p.command.Wait() // killed, in the end
	}()
	ended := func() bool {
		select {
		case <-p.exited:
			return true
		default:
			return false
		}
	}
	patience.Wait(t, "Prometheus is ready", func() bool { return s.ready(t) || ended() })
	if ended() {
		if !strings.Contains(p.log.String(), syscall.EADDRINUSE.Error()) {
			t.Fatalf("prometheus: ended at once:\n%s", p.log.String())
		}
		return false
	}
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("Prometheus' log:\n%s", p.log.String())
		}
	})
	return true
}

func freeAddress(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (s *server) ready(t *testing.T) bool {
	response, err := s.get(t, "/-/ready")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (s *server) get(t *testing.T, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: patience.Limit, Transport: &http.Transport{DisableKeepAlives: true}}
	return client.Do(request)
}

// api asks Prometheus' HTTP API. Its error is what Prometheus says is wrong with the question.
func (s *server) api(t *testing.T, path string, parameters url.Values, into any) error {
	t.Helper()
	response, err := s.get(t, "/api/v1/"+path+"?"+parameters.Encode())
	if err != nil {
		t.Fatalf("prometheus: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatalf("prometheus: %s: %v", path, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s", answer.Error)
	}
	return nil
}

// sample is one series of an answer. A native histogram has a value that is no number; here it is its count.
type sample struct {
	Labels    map[string]string `json:"metric"`
	Value     [2]any            `json:"value"`
	Histogram [2]any            `json:"histogram"`
}

// number is the value as Prometheus writes it: "NaN" and "+Inf" are numbers too.
func (s sample) number() float64 {
	text, _ := s.Value[1].(string)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return v
}

// query evaluates an expression now.
func (s *server) query(t *testing.T, expr string) ([]sample, error) {
	t.Helper()
	var data struct {
		Type   string `json:"resultType"`
		Result []sample
	}
	at := strconv.FormatFloat(float64(time.Now().UnixMilli())/1000, 'f', 3, 64)
	err := s.api(t, "query", url.Values{"query": {expr}, "time": {at}}, &data)
	if err == nil && data.Type != "vector" {
		err = fmt.Errorf("%s, and not a vector", data.Type)
	}
	return data.Result, err
}

// mustQuery is query of an expression that the test itself wrote.
func (s *server) mustQuery(t *testing.T, expr string) []sample {
	t.Helper()
	result, err := s.query(t, expr)
	if err != nil {
		t.Fatalf("prometheus: %s: %v", expr, err)
	}
	return result
}
