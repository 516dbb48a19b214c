package metrics

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// filled returns a Metrics with one device that has every series there is.
func filled(t testing.TB) (*Metrics, *Device) {
	t.Helper()
	m := New(Build{Version: "1.2.3", Revision: "abc"})
	d := m.Device("greenhouse")
	d.SetCertificateExpiry(CertificateClient, time.Unix(4102444800, 0))
	d.SetCertificateExpiry(CertificateCA, time.Unix(4102444800, 0))
	return m, d
}

// gather returns the families of the registry by name.
func gather(t testing.TB, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]*dto.MetricFamily)
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

func TestPromlint(t *testing.T) {
	m, _ := filled(t)
	m.Handler(slog.New(slog.DiscardHandler)) // registers its own counter
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestHandlerServesOpenMetricsAndText(t *testing.T) {
	m, d := filled(t)
	d.Uplink(1).Messages.Inc()
	h := m.Handler(slog.New(slog.DiscardHandler))
	for accept, want := range map[string][]string{
		"":                             {`umqttd_messages_total{device="greenhouse",direction="uplink",qos="1"} 1`, "promhttp_metric_handler_errors_total", "go_goroutines"},
		"application/openmetrics-text": {`umqttd_messages_total{device="greenhouse",direction="uplink",qos="1"} 1.0`, "# EOF"},
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Body)
		for _, line := range want {
			if w.Code != 200 || !strings.Contains(string(body), line) {
				t.Errorf("Accept %q: status %d, want %q in\n%s", accept, w.Code, line, body)
			}
		}
	}
}
