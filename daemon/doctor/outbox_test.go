package doctor_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/doctor"
)

// stranger is a user to whom this machine's files do not belong.
var stranger = &doctor.User{Name: "stranger", UID: 54321, GIDs: []int{54321}}

func TestOutbox(t *testing.T) {
	const mib = 1 << 20
	tests := map[string]struct {
		free     uint64
		readOnly bool
		err      error
		level    doctor.Level
		words    string
	}{
		"room enough":           {1 << 30, false, nil, doctor.OK, "1.0 GiB are free"},
		"less than it may fill": {100 * mib, false, nil, doctor.Warning, "may grow to 128 MiB in all"},
		"full":                  {500 << 10, false, nil, doctor.Problem, "only 500 KiB are free"},
		"read-only":             {1 << 30, true, nil, doctor.Problem, "mounted read-only"},
		"broken":                {0, false, errors.New("input/output error"), doctor.Problem, "input/output error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.Disk = func(string) (uint64, bool, error) { return test.free, test.readOnly, test.err }
			p.Outbox(&config.Outbox{Dir: t.TempDir(), MaxBytes: 64 * mib}, 2)
			p.has("folder", doctor.OK)
			p.has("disk", test.level, test.words)
		})
	}
}

func TestOutboxFolder(t *testing.T) {
	p := newPatient(t)
	p.Outbox(&config.Outbox{}, 1)
	p.has("configured", doctor.OK, "there is none")

	dir := filepath.Join(t.TempDir(), "outbox")
	p.Outbox(&config.Outbox{Dir: dir, MaxBytes: 1}, 1)
	p.has("folder", doctor.OK)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the doctor made the folder: %v", err)
	}

	p.User = stranger
	p.Outbox(&config.Outbox{Dir: dir, MaxBytes: 1}, 1)
	p.has("folder", doctor.Problem, "stranger may not write in "+filepath.Dir(dir), "sudo install -d -o stranger")

	p.Outbox(&config.Outbox{Dir: filepath.Join(dir, "deep", "down"), MaxBytes: 1}, 1)
	p.has("folder", doctor.Problem, "no such file", "deep/down")
}
