package prometheus

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// rule is an alert of deploy/prometheus.
type rule struct {
	Alert, Expr string
	Labels      map[string]string
	Annotations map[string]string
}

// rules reads all alerts.
func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	decode(t, rulesFile, &file)
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no rule", rulesFile)
	}
	return all
}

// alertTest is one test of an alert, as promtool reads it.
type alertTest struct {
	Name        string
	InputSeries []struct{ Series, Values string } `yaml:"input_series"`
	Checks      []struct {
		Alert    string `yaml:"alertname"`
		Expected []any  `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

// alertFiles are the files that hold tests of alerts.
func alertFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("alerts/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no file in alerts: %v", err)
	}
	return files
}

// alertTests reads all tests of alerts.
func alertTests(t *testing.T) []alertTest {
	t.Helper()
	var all []alertTest
	for _, path := range alertFiles(t) {
		var file struct{ Tests []alertTest }
		decode(t, path, &file)
		all = append(all, file.Tests...)
	}
	return all
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestAlerts runs promtool on the rules and on their tests.
func TestAlerts(t *testing.T) {
	for _, args := range [][]string{
		append([]string{"check", "rules"}, rulesFile),
		append([]string{"test", "rules"}, alertFiles(t)...),
	} {
		if output, err := exec.CommandContext(t.Context(), find(t, "promtool"), args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
		}
	}
}

// TestEveryAlertIsTested holds that each alert is shown to fire and not to fire.
func TestEveryAlertIsTested(t *testing.T) {
	fires, rests := make(map[string]bool), make(map[string]bool)
	for _, test := range alertTests(t) {
		for _, check := range test.Checks {
			if len(check.Expected) > 0 {
				fires[check.Alert] = true
			} else {
				rests[check.Alert] = true
			}
		}
	}
	for _, r := range rules(t) {
		if !fires[r.Alert] || !rests[r.Alert] {
			t.Errorf("%s: a test in alerts/ must show that it fires (%v) and that it does not (%v)", r.Alert, fires[r.Alert], rests[r.Alert])
		}
		delete(fires, r.Alert)
	}
	for alert := range fires {
		t.Errorf("alerts/ tests %s, which is no alert", alert)
	}
}

// TestAlertsSayWhatToDo holds what whoever is woken needs.
func TestAlertsSayWhatToDo(t *testing.T) {
	name := regexp.MustCompile(`^Umqttd[A-Z][A-Za-z]+$`)
	for _, r := range rules(t) {
		if !name.MatchString(r.Alert) {
			t.Errorf("%s: the name of an alert begins with Umqttd", r.Alert)
		}
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s: severity is %q, and not warning or critical", r.Alert, s)
		}
		if !strings.Contains(r.Annotations["summary"], "$labels.instance") {
			t.Errorf("%s: the summary does not say which gateway it is", r.Alert)
		}
		if len(r.Annotations["description"]) < 80 {
			t.Errorf("%s: the description does not say what to do", r.Alert)
		}
	}
}
