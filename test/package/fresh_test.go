package debian

import (
	"strings"
	"testing"
)

// TestFreshConfiguration is what a new user has: valid, reachable from this machine only, with a safe place for messages, and it says what to do next.
func TestFreshConfiguration(t *testing.T) {
	conffile := debdocs(t, "conffile", "configs/umqttd.yaml")
	out := must(t, program, "check", "--config", write(t, "umqttd.yaml", conffile))
	for _, want := range []string{": ok, 0 devices", "broker mqtt://localhost:1883", "umqttd ports"} {
		if !strings.Contains(out, want) {
			t.Errorf("umqttd check does not say %q:\n%s", want, out)
		}
	}
	for _, want := range []string{"\noutbox:\n  dir: /var/lib/umqttd\n", "\n  #listen: 127.0.0.1:9884 "} {
		if !strings.Contains(conffile, want) {
			t.Errorf("the configuration does not hold %q", want)
		}
	}
}
