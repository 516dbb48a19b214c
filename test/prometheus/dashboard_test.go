package prometheus

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/metrics"
)

// dashboard is what the tests look at in Grafana's JSON.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Annotations   struct{ List []struct{ Name, Expr string } }
	Templating    struct {
		List []struct {
			Name, Type string
			Query      any // the text, or an object that holds it
			Datasource datasource
		}
	}
}

type panel struct {
	ID          int
	Type, Title string
	Datasource  datasource
	GridPos     struct{ H, W, X, Y int }
	Targets     []target
}

type target struct {
	RefID, Expr string
	Datasource  datasource
}

type datasource struct{ Type, UID string }

// ours is the data source that the user chooses.
var ours = datasource{"prometheus", "${datasource}"}

func readDashboard(t *testing.T) *dashboard {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	d := new(dashboard)
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	if len(d.Panels) == 0 {
		t.Fatalf("%s has no panel", dashboardFile)
	}
	return d
}

// variables returns the variables with the queries that give them their values.
func (d *dashboard) variables() map[string]string {
	queries := make(map[string]string)
	for _, v := range d.Templating.List {
		switch q := v.Query.(type) {
		case string:
			queries[v.Name] = q
		case map[string]any:
			queries[v.Name], _ = q["query"].(string)
		}
	}
	return queries
}

// expressions returns every expression with the place where it stands.
func (d *dashboard) expressions() map[string]string {
	all := make(map[string]string)
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all[p.Title+" "+q.RefID] = q.Expr
		}
	}
	return all
}

// TestPanels holds what Grafana expects of panels: an id of its own for each, a place that no other has, the data source that was chosen, a query.
func TestPanels(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.Title == "" || d.SchemaVersion == 0 {
		t.Errorf("uid %q, title %q, schemaVersion %d: none may be missing", d.UID, d.Title, d.SchemaVersion)
	}
	ids, titles := make(map[int]bool), make(map[string]bool)
	for i, p := range d.Panels {
		if p.ID <= 0 || ids[p.ID] {
			t.Errorf("panel %q: id %d is not its own", p.Title, p.ID)
		}
		if p.Title == "" || titles[p.Title] {
			t.Errorf("panel %d: title %q is not its own", p.ID, p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		if g := p.GridPos; g.H <= 0 || g.W <= 0 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("panel %q: it is beside the 24 columns: %+v", p.Title, g)
		}
		for _, q := range d.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", p.Title, q.Title)
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource != ours {
			t.Errorf("panel %q: it has %d queries, its data source is %+v", p.Title, len(p.Targets), p.Datasource)
		}
		for j, q := range p.Targets {
			if q.Expr == "" || q.Datasource != ours || slices.ContainsFunc(p.Targets[:j], func(o target) bool { return o.RefID == q.RefID }) {
				t.Errorf("panel %q: query %q has no expression, another data source, or a name that is taken", p.Title, q.RefID)
			}
		}
	}
}

var (
	// variable is $name or ${name}.
	variable = regexp.MustCompile(`\$\{?([A-Za-z_]+)\}?`)
	// metricName is the name of a metric of umqttd's, or of its process, in an expression.
	metricName = regexp.MustCompile(`\b(?:umqttd|process|go|promhttp)_[a-z_]+\b`)
	labelValue = regexp.MustCompile(`"[^"]*"`)
)

// TestVariables holds that each variable that is used is defined or Grafana's own, and that each one that is defined is used.
func TestVariables(t *testing.T) {
	d := readDashboard(t)
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	defined := d.variables()
	used := make(map[string]bool)
	for _, match := range variable.FindAllStringSubmatch(string(text), -1) {
		used[match[1]] = true
	}
	for name := range used {
		if defined[name] == "" && name != "__rate_interval" && name != "__range" && name != "__all" {
			t.Errorf("$%s is used and not defined", name)
		}
	}
	for name := range defined {
		if !used[name] {
			t.Errorf("the variable %s is not used", name)
		}
	}
}

// TestMetricsExist holds that dashboard and alerts name metrics that exist, and that the dashboard leaves none of umqttd's own out.
func TestMetricsExist(t *testing.T) {
	known := registered(t)
	d := readDashboard(t)
	for _, r := range rules(t) {
		for _, name := range named(r.Expr) {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", r.Alert, name)
			}
		}
	}
	shown := make(map[string]bool)
	expressions := d.expressions()
	for name, query := range d.variables() {
		expressions["variable "+name] = query
	}
	for place, expr := range expressions {
		for _, name := range named(expr) {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", place, name)
			}
			shown[name] = true
		}
	}
	for name := range known {
		if strings.HasPrefix(name, "umqttd_") && !shown[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// named returns the metrics that an expression names, classic histograms without their suffix.
func named(expr string) []string {
	names := metricName.FindAllString(labelValue.ReplaceAllString(expr, `""`), -1)
	for i := range names {
		names[i] = strings.TrimSuffix(names[i], "_bucket")
	}
	return names
}

// registered returns the names of all metrics that umqttd has.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	m := metrics.New(metrics.Build{})
	m.Device("attic").SetCertificateExpiry(metrics.CertificateCA, time.Unix(1, 0))
	answer := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	names := make(map[string]bool)
	for line := range strings.Lines(answer.Body.String()) {
		if words := strings.Fields(line); len(words) == 4 && words[1] == "TYPE" {
			names[words[2]] = true
		}
	}
	if len(names) < 30 {
		t.Fatalf("the registry has %d metrics; this test looks in the wrong place", len(names))
	}
	return names
}
