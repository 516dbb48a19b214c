package debian

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// A part of a rule: KEY{attribute}, an operator, a value in quotes.
var rulePart = regexp.MustCompile(`^([A-Z_]+)(?:\{[.A-Za-z_]+\})?(==|!=|=|\+=)"[^"]*"$`)

// matches and assignments are the keys that udev's language has and we use.
var (
	matches     = []string{"ACTION", "SUBSYSTEM", "SUBSYSTEMS", "ATTRS", "ENV"}
	assignments = []string{"ENV", "SYMLINK", "GOTO", "LABEL"}
)

// checkRules says what is wrong with rules. udevadm verify does it better, from systemd 254 on.
func checkRules(rules string) []string {
	var faults []string
	labels, gotos := map[string]bool{}, map[string]int{}
	n := 0
	for line := range strings.Lines(rules) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for part := range strings.SplitSeq(line, ", ") {
			m := rulePart.FindStringSubmatch(part)
			if m == nil {
				faults = append(faults, fmt.Sprintf("line %d: %q is not part of a rule", n, part))
				continue
			}
			known := assignments
			if m[2] == "==" || m[2] == "!=" {
				known = matches
			}
			if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+m[1]+" ") {
				faults = append(faults, fmt.Sprintf("line %d: %s does not take %s", n, m[1], m[2]))
			}
			switch value := strings.Trim(part[strings.Index(part, `"`):], `"`); m[1] {
			case "LABEL":
				labels[value] = true
				delete(gotos, value) // udev jumps forward only
			case "GOTO":
				if labels[value] {
					faults = append(faults, fmt.Sprintf("line %d: jumps back to %s", n, value))
				}
				gotos[value] = n
			}
		}
	}
	for label, n := range gotos {
		faults = append(faults, fmt.Sprintf("line %d: nowhere to jump to: %s", n, label))
	}
	return faults
}

// TestRules holds that udev can read our rules.
func TestRules(t *testing.T) {
	for _, name := range []string{"systemd/60-umqttd.rules", "systemd/91-umqttd.rules"} {
		for _, fault := range checkRules(deployed(t, name)) {
			t.Errorf("%s: %s", name, fault)
		}
	}
	for wrong, want := range map[string]string{
		`ENV{A}=="1" GOTO="end"` + "\n" + `LABEL="end"`: "not part of a rule",
		`ENV{A}=="1", GOTO="end"`:                       "nowhere to jump to",
		`LABEL="a"` + "\n" + `GOTO="a"`:                 "jumps back",
		`SUBSYSTEM="usb"`:                               "does not take",
	} {
		if got := strings.Join(checkRules(wrong), "; "); !strings.Contains(got, want) {
			t.Errorf("%q: found %q, want %q", wrong, got, want)
		}
	}
}
