package outbox

import (
	"errors"
	"fmt"
	"io/fs"
)

// Report is what a folder holds.
type Report struct {
	Stats

	Clients    []Client
	Quarantine []Quarantined
	Damage     []Damage
}

// Inspect reads the log in a folder of the operating system. It never locks and
// never changes anything, so that it can be used while another process writes.
// It sees what Open would see. The error wraps [fs.ErrNotExist] if there is no
// such folder, or refuses a file as Open does.
func Inspect(dir string) (Report, error) { return inspect(OS{}, dir) }

// inspectTries is how often a log is read again that has changed meanwhile.
const inspectTries = 20

func inspect(files FS, dir string) (Report, error) {
	if _, err := files.List(dir); err != nil {
		return Report{}, fmt.Errorf("outbox: %w", err)
	}
	cfg, err := Config{Dir: dir, FS: files}.withDefaults()
	if err != nil {
		return Report{}, err
	}
	var r Report
	for range inspectTries {
		r, err = inspectOnce(cfg)
		// A segment may go away between the list and the look, and a commit may
		// be half there.
		if err == nil && r.Damaged == 0 || err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrDamaged) {
			break
		}
	}
	return r, err
}

func inspectOnce(cfg Config) (Report, error) {
	l := newLog(cfg)
	if err := l.recover(); err != nil {
		return Report{}, err
	}
	quarantine, err := l.Quarantined()
	if err != nil {
		return Report{}, err
	}
	return Report{Stats: l.Stats(), Clients: l.Clients(), Quarantine: quarantine, Damage: l.Damage()}, nil
}
