// Package doctor looks for what keeps a gateway from serving its boards, as a person would who has been called because nothing comes: from the machine over the port and what
// arrives on it to the broker and the disk. It changes nothing, sends nothing to a board, and never resets one.
//
// A Doctor makes Findings, one for each thing looked at, good or bad; a bad one says what to do. What it looks at, below Root, and whom it asks can be replaced, so that a test
// can show it every illness there is.
package doctor

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/devices/port"
)

// Level says how bad a finding is.
type Level string

// The levels of findings.
const (
	OK      Level = "ok"
	Warning Level = "warning" // works, but not as it should, or not for long
	Problem Level = "problem" // does not work
)

// Finding is what was found about one thing.
type Finding struct {
	About string `json:"about"` // what was looked at: machine, port /dev/ttyUSB0, broker mqtt://localhost:1883
	Check string `json:"check"` // what was looked for: one word or two
	Level Level  `json:"level"`
	Text  string `json:"text"`          // what was found
	Fix   string `json:"fix,omitempty"` // what to do; empty if all is well
}

// Line is an open port.
type Line interface {
	io.ReadCloser
	Settings() (port.Settings, error)
}

// Doctor examines one machine. Its fields are set before the first use; zero fields are the real thing.
type Doctor struct {
	// Report is called with each finding, in order.
	Report func(Finding)

	// Root is a folder that stands for /.
	Root string

	// User is who opens ports and reads files. Nil: see ServiceUser.
	User *User

	// Now is the clock.
	Now func() time.Time

	// Listen is how long a port is listened to at the configured speed; a third of it at each other one. Zero: 3 s.
	Listen time.Duration

	// Open opens a port, sends nothing and resets nothing.
	Open func(context.Context, port.Spec) (Line, error)

	// Dial connects to a broker.
	Dial func(context.Context, *config.Broker) (net.Conn, error)

	// Disk asks how many bytes a folder has room for, and whether it can be written at all.
	Disk func(path string) (free uint64, readOnly bool, err error)

	opener port.Opener
}

// at is where a path of the machine really is.
func (d *Doctor) at(path string) string { return filepath.Join(d.Root, path) }

func (d *Doctor) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

func (d *Doctor) finder() port.Finder {
	if d.Root == "" {
		return port.Finder{}
	}
	return port.Finder{Dev: d.at("/dev"), Sys: d.at("/sys"), Proc: d.at("/proc")}
}

// exam is everything that is found about one thing.
type exam struct {
	d     *Doctor
	about string
}

func (e exam) ok(check, format string, args ...any) {
	e.d.Report(Finding{About: e.about, Check: check, Level: OK, Text: fmt.Sprintf(format, args...)})
}

func (e exam) warn(check, text, fix string) {
	e.d.Report(Finding{About: e.about, Check: check, Level: Warning, Text: text, Fix: fix})
}

func (e exam) problem(check, text, fix string) {
	e.d.Report(Finding{About: e.about, Check: check, Level: Problem, Text: text, Fix: fix})
}

// NoConfiguration reports that there is none where it is looked for.
func (d *Doctor) NoConfiguration(file string) {
	exam{d, "configuration " + file}.warn("file", "there is none", "write one (docs/configuration.md, configs/umqttd.yaml), or name it with --config; umqttd ports lists what is plugged in")
}

// Configuration reports the faults of a configuration that was refused, or that it is good.
func (d *Doctor) Configuration(file string, warnings []config.Warning, err error) {
	e := exam{d, "configuration " + file}
	for _, w := range warnings {
		text, fix := splitFix(w.String())
		e.warn("file", text, fix)
	}
	if err == nil {
		e.ok("file", "can be used")
		return
	}
	for line := range strings.Lines(err.Error()) {
		text, fix := splitFix(strings.TrimSpace(line))
		e.problem("file", text, fix)
	}
}

// splitFix parts "what is wrong; what to do".
func splitFix(s string) (text, fix string) {
	if text, fix, ok := strings.Cut(s, "; "); ok {
		return text, fix
	}
	return s, "see docs/configuration.md"
}
