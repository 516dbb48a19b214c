package prometheus

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/certs"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/umqttd"
)

// rig is a umqttd with a board, an outbox and a broker that wants certificates: every metric there is has its series.
type rig struct {
	broker  *mosquitto.Broker
	line    *cable.Cable
	gateway *umqttd.Gateway
	board   *cable.Board
}

func newRig(t *testing.T) *rig {
	t.Helper()
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	theirs, ours := ca.Server(t, "server", time.Time{}), ca.Client(t, "gateway", time.Time{})
	r := &rig{line: cable.New(t)}
	r.broker = mosquitto.Start(t, mosquitto.Config{TLS: &mosquitto.TLS{CertFile: theirs.CertFile, KeyFile: theirs.KeyFile, ClientCAFile: ca.CertFile}})
	r.gateway = umqttd.Start(t, program, fmt.Sprintf(`
broker:
  url: %q
  tls: {ca_file: %s, cert_file: %s, key_file: %s}
  reconnect: {min: 20ms, max: 200ms}
gateway: gw
outbox: {dir: %q, spill_after: 20ms}
devices: [{name: attic, port: %s}]
`, r.broker.URL(), ca.CertFile, ours.CertFile, ours.KeyFile, t.TempDir(), r.line.Path()))
	r.gateway.WaitMetric(`umqttd_device_up{device="attic"}`, 1)
	r.board = cable.NewBoard(t, r.line, board.Config{ClientID: "attic", CleanSession: true, MaxQueue: 100})
	r.board.Wait(board.Connected, 1)
	r.board.Subscribe("echo/#", 1)
	return r
}

// talk sends messages of both kinds both ways, for they come back.
func (r *rig) talk(n int) {
	before := r.board.Count(board.Received)
	for i := range n {
		r.board.Publish(board.Message{Topic: "echo/a", Data: []byte("21.5"), QoS: i % 2})
	}
	r.board.Wait(board.Received, before+n)
	r.board.WaitAcknowledged()
}

// outage lets the outbox work: the broker is away while the board goes on.
func (r *rig) outage(n int) {
	r.broker.Pause()
	for range n {
		r.board.Publish(board.Message{Topic: "sensors/a", Data: []byte("21.5"), QoS: 1})
	}
	r.board.WaitAcknowledged()
	r.broker.Resume()
	r.gateway.WaitMetric(`umqttd_outbox_messages{device="attic"}`, 0)
}

// TestExpressions has a real Prometheus scrape a real umqttd and evaluates all that we ship: with classic histograms, as every Prometheus reads them, and with native ones.
func TestExpressions(t *testing.T) {
	r := newRig(t)
	classic := startServer(t, r.gateway.HTTP())
	native := startServer(t, r.gateway.HTTP(), "--enable-feature=native-histograms")
	for _, s := range []*server{classic, native} {
		patience.Wait(t, "Prometheus has scraped twice", func() bool {
			scrapes := s.mustQuery(t, `count_over_time(up{job="umqttd"}[1m]) >= 2 and up == 1`)
			return len(scrapes) == 1
		})
	}
	r.talk(10)
	r.outage(3)
	counted := fmt.Sprintf(`umqttd_outbox_messages == 0 and on (device) umqttd_messages_total{direction="uplink", qos="1"} >= %d`, 5+3)
	for _, s := range []*server{classic, native} {
		patience.Wait(t, "Prometheus has scraped what happened", func() bool { return len(s.mustQuery(t, counted)) == 1 })
	}
	if n := len(classic.mustQuery(t, "umqttd_uplink_latency_seconds_bucket")); n == 0 {
		t.Error("Prometheus has no classic histogram without being told to take native ones")
	}
	if n := len(native.mustQuery(t, "histogram_count(umqttd_uplink_latency_seconds) > 0")); n == 0 {
		t.Error("Prometheus has no native histogram, though it was told to take them")
	}
	t.Run("classic", func(t *testing.T) { evaluate(t, classic) })
	t.Run("native", func(t *testing.T) { evaluate(t, native) })
	t.Run("fed", func(t *testing.T) { compareFed(t, classic) })
	t.Run("fires", func(t *testing.T) {
		r.line.Unplug()
		patience.Wait(t, "the alert on a cable that is out", func() bool { return slices.Contains(active(t, classic), "UmqttdDeviceDown attic") })
	})
}

// evaluate evaluates every expression. Those of the dashboard must have data.
func evaluate(t *testing.T, s *server) {
	for _, r := range rules(t) {
		if _, err := s.query(t, r.Expr); err != nil {
			t.Errorf("%s: %v", r.Alert, err)
		}
	}
	patience.Wait(t, "all rules are evaluated", func() bool { return evaluated(t, s) == len(rules(t)) })
	d := readDashboard(t)
	values := strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h", "$instance", ".+", "$device", "attic")
	for place, expr := range d.expressions() {
		// What only appears when it is more than 0 is here without that condition.
		expr = strings.TrimSuffix(values.Replace(expr), " > 0")
		result, err := s.query(t, expr)
		switch {
		case err != nil:
			t.Errorf("%s: %v\n%s", place, err, expr)
		case len(result) == 0:
			t.Errorf("%s: no data\n%s", place, expr)
		case strings.Contains(expr, "histogram_quantile") && math.IsNaN(result[0].number()):
			t.Errorf("%s: no latency was measured\n%s", place, expr)
		}
	}
	for _, a := range d.Annotations.List {
		if _, err := s.query(t, values.Replace(a.Expr)); a.Expr != "" && err != nil {
			t.Errorf("annotation %s: %v", a.Name, err)
		}
	}
	for name, query := range d.variables() {
		match := labelValues.FindStringSubmatch(values.Replace(query))
		if name == "datasource" {
			continue
		}
		if match == nil {
			t.Errorf("variable %s: %s is not label_values(series, label)", name, query)
			continue
		}
		var found []string
		if err := s.api(t, "label/"+match[2]+"/values", url.Values{"match[]": {match[1]}}, &found); err != nil || len(found) != 1 {
			t.Errorf("variable %s has the values %v, %v", name, found, err)
		}
	}
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// ruleState is what Prometheus says of a rule.
type ruleState struct {
	Name, Health, LastError string
	Alerts                  []struct {
		State  string
		Labels map[string]string
	}
}

func ruleStates(t *testing.T, s *server) []ruleState {
	t.Helper()
	var data struct {
		Groups []struct{ Rules []ruleState }
	}
	if err := s.api(t, "rules", nil, &data); err != nil {
		t.Fatal(err)
	}
	var all []ruleState
	for _, group := range data.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// evaluated returns how many rules Prometheus has evaluated without an error.
func evaluated(t *testing.T, s *server) (n int) {
	t.Helper()
	for _, r := range ruleStates(t, s) {
		if r.LastError != "" {
			t.Errorf("%s: %s", r.Name, r.LastError)
		}
		if r.Health == "ok" {
			n++
		}
	}
	return n
}

// active returns the alerts that fire or will, with the device each is about.
func active(t *testing.T, s *server) []string {
	t.Helper()
	var all []string
	for _, r := range ruleStates(t, s) {
		for _, a := range r.Alerts {
			all = append(all, r.Name+" "+a.Labels["device"])
		}
	}
	return all
}

var (
	seriesName  = regexp.MustCompile(`^(\w+)\{(.*)\}$`)
	seriesLabel = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// compareFed holds that the tests of the alerts are fed with series as umqttd has them: same name, same labels, and values that exist.
func compareFed(t *testing.T, s *server) {
	for _, test := range alertTests(t) {
		for _, fed := range test.InputSeries {
			match := seriesName.FindStringSubmatch(fed.Series)
			if match == nil {
				t.Errorf("%s: %s is not name{labels}", test.Name, fed.Series)
				continue
			}
			labels := map[string]string{"__name__": match[1]}
			selector := match[1]
			var conditions []string
			for _, l := range seriesLabel.FindAllStringSubmatch(match[2], -1) {
				labels[l[1]] = l[2]
				if !slices.Contains([]string{"job", "instance", "device", "le", "version"}, l[1]) {
					conditions = append(conditions, l[0])
				}
			}
			selector += "{" + strings.Join(conditions, ",") + "}"
			want := slices.Sorted(maps.Keys(labels))
			result := s.mustQuery(t, selector)
			if len(result) == 0 {
				t.Errorf("%s is fed with %s, which no umqttd has", test.Name, selector)
				continue
			}
			if got := slices.Sorted(maps.Keys(result[0].Labels)); match[1] != "umqttd_build_info" && !slices.Equal(got, want) {
				t.Errorf("%s is fed with %s; umqttd's has the labels %v", test.Name, fed.Series, got)
			}
		}
	}
}
