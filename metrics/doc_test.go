package metrics

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	docRow     = regexp.MustCompile("^\\| `(umqttd_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*)\\| [^|]+ \\| [^|]+ \\|$")
	docHeading = regexp.MustCompile("^### `(umqttd_[a-z_]+)\\{([a-z]+)\\}`$")
	docValue   = regexp.MustCompile("^\\| `([-a-z0-9_]+)` \\| [^|]+ \\| [^|]+ \\|$")
)

// The reference names every metric with its type and labels, and every value of every closed label, and nothing else.
func TestReferenceEqualsRegistry(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	got := documented(string(text))
	want := registered(t)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("docs/metrics.md lacks %s", line)
		}
	}
	for i, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("docs/metrics.md has %s, which is not in the registry", line)
		}
		if slices.Contains(got[:i], line) {
			t.Errorf("docs/metrics.md has %s twice", line)
		}
	}
}

// documented lists "type name labels" for each metric the page has, and "name label=value" for each label value.
func documented(page string) []string {
	var lines []string
	var metric, label string
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if m := docRow.FindStringSubmatch(line); m != nil {
			names := strings.Fields(strings.NewReplacer("`", "", ",", "").Replace(m[3]))
			slices.Sort(names)
			lines = append(lines, strings.TrimSpace(m[2]+" "+m[1]+" "+strings.Join(names, " ")))
		} else if m := docHeading.FindStringSubmatch(line); m != nil {
			metric, label = m[1], m[2]
		} else if m := docValue.FindStringSubmatch(line); m != nil {
			lines = append(lines, metric+" "+label+"="+m[1])
		} else if strings.HasPrefix(line, "#") {
			metric, label = "", ""
		}
	}
	return lines
}

// registered lists the same of the registry. The values of device and direction are not listed one by one on the page, those of qos only once,
// and those of build_info are not closed.
func registered(t *testing.T) []string {
	t.Helper()
	m, _ := filled(t)
	var lines []string
	for name, family := range gather(t, m) {
		if !strings.HasPrefix(name, "umqttd_") {
			continue
		}
		var names []string
		for _, l := range family.GetMetric()[0].GetLabel() {
			names = append(names, l.GetName())
		}
		lines = append(lines, strings.TrimSpace(strings.ToLower(family.GetType().String())+" "+name+" "+strings.Join(names, " ")))
		for _, metric := range family.GetMetric() {
			for _, l := range metric.GetLabel() {
				closed := !slices.Contains([]string{"device", "direction", "version", "revision", "goversion"}, l.GetName())
				value := name + " " + l.GetName() + "=" + l.GetValue()
				if closed && !strings.Contains(name, "_latency_") && !slices.Contains(lines, value) {
					lines = append(lines, value)
				}
			}
		}
	}
	return lines
}
