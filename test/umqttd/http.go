package umqttd

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/umqttd/umqttd/test/patience"
)

// get returns the status and body of a page, or 0 while the program does not answer.
func (g *Gateway) get(path string) (int, string) {
	client := http.Client{Timeout: patience.Limit, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + g.http + path)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, ""
	}
	return response.StatusCode, string(body)
}

func (g *Gateway) ready() bool {
	status, _ := g.get("/-/ready")
	return status == http.StatusOK
}

// HTTP returns the host:port of its pages, for a test that has them read by another program.
func (g *Gateway) HTTP() string { return g.http }

// Page returns the body of a page that must be there.
func (g *Gateway) Page(path string) string {
	g.t.Helper()
	status, body := g.get(path)
	if status != http.StatusOK {
		g.t.Fatalf("umqttd: %s has status %d: %s", path, status, body)
	}
	return body
}

// Metrics are all series of one scrape, by name and labels as Prometheus' text format writes them.
type Metrics map[string]float64

// Metrics scrapes /metrics.
func (g *Gateway) Metrics() Metrics {
	g.t.Helper()
	m := make(Metrics)
	for line := range strings.Lines(g.Page("/metrics")) {
		line = strings.TrimSpace(line)
		series, value, ok := cutLast(line, " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			g.t.Fatalf("umqttd: /metrics has the line %q", line)
		}
		m[series] = v
	}
	return m
}

// moved returns the series of umqttd's own that are not 0, but for buckets, as far as it answers.
func (g *Gateway) moved() string {
	_, body := g.get("/metrics")
	var b strings.Builder
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "umqttd_") && !strings.Contains(line, "_bucket{") && !strings.HasSuffix(line, " 0\n") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Metric returns the value of one series, which must exist.
func (g *Gateway) Metric(series string) float64 {
	g.t.Helper()
	m := g.Metrics()
	v, ok := m[series]
	if !ok {
		g.t.Fatalf("umqttd: /metrics has no %s", series)
	}
	return v
}

// WaitMetric waits until a series has a value.
func (g *Gateway) WaitMetric(series string, want float64) {
	g.t.Helper()
	var last float64
	ok := patience.Within(patience.Limit, func() bool {
		last = g.Metric(series)
		return last == want
	})
	if !ok {
		g.t.Fatalf("umqttd: %s is %v after %v, want %v", series, last, patience.Limit, want)
	}
}

// WaitMetricAtLeast waits until a series has grown to a value.
func (g *Gateway) WaitMetricAtLeast(series string, want float64) {
	g.t.Helper()
	var last float64
	ok := patience.Within(patience.Limit, func() bool {
		last = g.Metric(series)
		return last >= want
	})
	if !ok {
		g.t.Fatalf("umqttd: %s is %v after %v, want %v or more", series, last, patience.Limit, want)
	}
}

// ReadyWithin reports whether /-/ready says yes within limit.
func (g *Gateway) ReadyWithin(limit time.Duration) bool { return patience.Within(limit, g.ready) }
