package doctor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/daemon/doctor"
)

// TestMain runs the tests, or is one of the programs that they start.
func TestMain(m *testing.M) {
	if path := os.Getenv("HOLD_PORT"); path != "" {
		if err := holdPort(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// noon is a time at which the clock of a machine can be right.
var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// patient is a machine that a Doctor examines: files below a folder of the test.
type patient struct {
	*doctor.Doctor
	t     *testing.T
	found []doctor.Finding
}

// newPatient returns a machine where all is well: with a clock that is right, and nothing plugged in.
func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{t: t}
	p.Doctor = &doctor.Doctor{
		Report: func(f doctor.Finding) { p.found = append(p.found, f) },
		Root:   t.TempDir(),
		Now:    func() time.Time { return noon },
	}
	p.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/bash")
	p.write("/etc/group", "root:x:0:\ndialout:x:20:\nann:x:1000:")
	return p
}

// write writes a file of the machine.
func (p *patient) write(path, text string) {
	p.t.Helper()
	path = filepath.Join(p.Root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// link makes a symbolic link of the machine, whose target is taken as it is.
func (p *patient) link(path, target string) {
	p.t.Helper()
	path = filepath.Join(p.Root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		p.t.Fatal(err)
	}
}

// real makes the patient this machine, seen by a user.
func (p *patient) real(user *doctor.User) {
	p.Root, p.User = "", user
}

// has fails the test unless a finding of the check has the level and the words, those of its fix included. A finding that is bad says what to do, and a good one does not.
func (p *patient) has(check string, level doctor.Level, words ...string) {
	p.t.Helper()
	for _, f := range p.found {
		if (f.Level == doctor.OK) != (f.Fix == "") {
			p.t.Errorf("%s: %s: a %s with the fix %q", f.About, f.Check, f.Level, f.Fix)
		}
	}
	ok := slices.ContainsFunc(p.found, func(f doctor.Finding) bool {
		return f.Check == check && f.Level == level &&
			!slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(f.Text+"\n"+f.Fix, word) })
	})
	if !ok {
		p.t.Errorf("no %s of %q with %q in:\n%s", level, check, words, p)
	}
}

// hasNone fails the test if there is a finding of the check that is not good.
func (p *patient) hasNone(check string) {
	p.t.Helper()
	if slices.ContainsFunc(p.found, func(f doctor.Finding) bool { return f.Check == check && f.Level != doctor.OK }) {
		p.t.Errorf("a finding of %q in:\n%s", check, p)
	}
}

func (p *patient) String() string {
	var lines []string
	for _, f := range p.found {
		lines = append(lines, "  "+string(f.Level)+" "+f.About+": "+f.Check+": "+f.Text+" -> "+f.Fix)
	}
	return strings.Join(lines, "\n")
}
