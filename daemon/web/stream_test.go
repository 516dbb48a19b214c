package web

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/test/patience"
)

// changing is a gateway whose status the test sets.
type changing struct {
	mu     sync.Mutex
	status Status
	asked  int
}

func (c *changing) NotReady() []string { return nil }
func (c *changing) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	return c.status
}

func (c *changing) set(s Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = s
}

// listen opens a stream; next returns its next event, and false when it has ended.
func listenTo(t *testing.T, url string) (next func() (update, bool), hangUp func()) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != "text/event-stream" {
		t.Fatalf("%d, %s", response.StatusCode, got)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	t.Cleanup(func() { _ = response.Body.Close() })
	return func() (u update, ok bool) {
		for lines.Scan() {
			if data, found := strings.CutPrefix(lines.Text(), "data: "); found {
				if err := json.Unmarshal([]byte(data), &u); err != nil {
					t.Fatal(err)
				}
				return u, true
			}
		}
		return u, false
	}, func() { _ = response.Body.Close() }
}

func two(problem string) Status {
	return Status{Taken: noon, Devices: []Device{{Name: "a", Up: true}, {Name: "b", Problem: problem}}}
}

// A listener gets all first, then what has changed, and what was removed leaves the order. At the server's end the stream ends.
func TestStream(t *testing.T) {
	gateway := &changing{status: two("unplugged")}
	url, stop := start(t, Config{Gateway: gateway})
	next, _ := listenTo(t, url+"/events")
	if u, ok := next(); !ok || len(u.Parts) != 3 || strings.Join(u.Order, " ") != "top device-a device-b" {
		t.Fatalf("first %+v", u)
	}
	gateway.set(two("<script>alert(1)</script>"))
	u, _ := next()
	if len(u.Parts) != 1 || u.Parts[0].ID != "device-b" || !strings.Contains(u.Parts[0].HTML, "&lt;script&gt;") {
		t.Fatalf("then %+v", u)
	}
	s := two("")
	s.Devices = s.Devices[:1]
	gateway.set(s)
	if u, _ = next(); strings.Join(u.Order, " ") != "top device-a" {
		t.Fatalf("after a removal %+v", u)
	}
	stop()
	if u, ok := next(); ok {
		t.Errorf("after the end %+v", u)
	}
}

// The page of one device has a stream of its own, which ends when the device is configured no more.
func TestStreamOfADevice(t *testing.T) {
	gateway := &changing{status: two("")}
	url, _ := start(t, Config{Gateway: gateway})
	next, _ := listenTo(t, url+"/devices/b/events")
	if u, ok := next(); !ok || strings.Join(u.Order, " ") != "top device-b" || !strings.Contains(u.Parts[1].HTML, "Configuration") {
		t.Fatalf("%+v", u)
	}
	gateway.set(Status{})
	if u, ok := next(); ok {
		t.Errorf("after the removal %+v", u)
	}
	for _, path := range []string{"/devices/b", "/devices/b/events"} {
		if got := ask(t, "GET", url+path, nil); got.status != 404 {
			t.Errorf("%s: %d, want 404", path, got.status)
		}
	}
}

func TestStreamsAreFewAndForNobodyElse(t *testing.T) {
	url, _ := start(t, Config{Gateway: &changing{}})
	if got := ask(t, "GET", url+"/events", func(r *http.Request) { r.Host = "evil.example" }); got.status != 421 {
		t.Errorf("foreign host: %d", got.status)
	}
	if got := ask(t, "POST", url+"/events", nil); got.status != 405 {
		t.Errorf("POST: %d", got.status)
	}
	var hangUps []func()
	for range maxListeners {
		next, hangUp := listenTo(t, url+"/events")
		next()
		hangUps = append(hangUps, hangUp)
	}
	if got := ask(t, "GET", url+"/events", nil); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", got.status)
	}
	for _, hangUp := range hangUps {
		hangUp()
	}
	patience.Wait(t, "place for another listener", func() bool { return ask(t, "HEAD", url+"/events", nil).status == 200 })
}

// One producer serves all; with the last listener it ends.
func TestProducerRunsOnlyForListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rendered := 0
		h := newHub(func([]string) map[string]moment { rendered++; return nil })
		time.Sleep(time.Hour)
		if rendered != 0 {
			t.Errorf("rendered %d times for nobody", rendered)
		}
		for range 3 {
			h.join("")
		}
		time.Sleep(10*tick - tick/2)
		synctest.Wait()
		if rendered != 10 {
			t.Errorf("rendered %d times in 10 ticks for three, want 10", rendered)
		}
		for range 3 {
			h.leave("")
		}
		time.Sleep(time.Hour)
		if rendered != 10 {
			t.Errorf("rendered %d times after the last has gone", rendered)
		}
		h.close()
		if h.join("") {
			t.Error("it takes a listener after its end")
		}
		h.running.Wait()
	})
}
