package daemon

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/logs/logtest"
	"github.com/umqttd/umqttd/daemon/tasktest"
)

// patience bounds what a test waits for; it is never slept through.
const patience = 20 * time.Second

// base is a gateway with a broker inside, on free ports.
const base = `
broker: {url: embedded}
embedded_broker: {listen: "127.0.0.1:0"}
http: {listen: "127.0.0.1:0"}
gateway: gw
`

// runner is a daemon that runs.
type runner struct {
	*Daemon
	t    *testing.T
	log  *logtest.Book
	stop func() // once, which takes less than 5 s and goes without an error
}

func parse(t *testing.T, yaml string) *config.Config {
	t.Helper()
	cfg, _, err := config.Parse(filepath.Join(t.TempDir(), "test.yaml"), []byte(yaml), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// start runs a daemon until the test ends, and waits until it is ready.
func start(t *testing.T, yaml string, change func(*Options)) *runner {
	t.Helper()
	r := &runner{t: t, log: new(logtest.Book)}
	opts := Options{Version: "1.2.3", Log: r.log.Logger()}
	if change != nil {
		change(&opts)
	}
	d, err := New(parse(t, yaml), opts)
	if err != nil {
		t.Fatal(err)
	}
	r.Daemon = d
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(r.log)
		}
	})
	r.run()
	return r
}

// run runs the daemon until the test ends, and waits until it is ready.
func (r *runner) run() {
	t := r.t
	t.Helper()
	stop := tasktest.Start(t, r.Daemon)
	r.stop = func() {
		t.Helper()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("stopping took %v", took)
		}
	}
	t.Cleanup(r.stop)
}

// wantLog waits for a line.
func (r *runner) wantLog(text string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if !r.log.Wait(ctx, text) {
		r.t.Fatalf("not logged: %s", text)
	}
}

// get returns the status and the body of an answer: "200 umqttd is ready.".
func (r *runner) get(path string) string {
	r.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.HTTPAddr().String() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode) + " " + string(b)
}

// wantPage wants texts on a page.
func (r *runner) wantPage(path string, texts ...string) {
	r.t.Helper()
	page := r.get(path)
	for _, text := range texts {
		if !strings.Contains(page, text) {
			r.t.Errorf("%s lacks %s", path, text)
		}
	}
	if r.t.Failed() {
		r.t.Log(page)
	}
}

// scrape returns the metrics of a daemon, whether it runs or not.
func scrape(d *Daemon) string {
	w := httptest.NewRecorder()
	d.metrics.Handler(d.log).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}
