package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/daemon/config"
)

// scarce is how little room on a disk is a problem whatever is configured.
const scarce = 16 << 20

// Outbox looks whether messages can be kept on disk, for so many devices.
func (d *Doctor) Outbox(o *config.Outbox, devices int) {
	if o.Dir == "" {
		exam{d, "outbox"}.ok("configured", "there is none: a message is safe when the broker has it, and boards keep what it has not")
		return
	}
	e := exam{d, "outbox " + o.Dir}
	dir, rights := o.Dir, fs.FileMode(0o7)
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		dir = filepath.Dir(dir) // where it will be made
		info, err = os.Stat(dir)
	}
	if err != nil {
		e.problem("folder", err.Error(), "sudo install -d -o "+e.d.user().Name+" -m 700 "+o.Dir)
		return
	}
	if u := e.d.user(); u.may(info, rights) {
		e.ok("folder", "%s may write there (%s)", u.Name, e.d.owned(info))
	} else {
		e.problem("folder", fmt.Sprintf("%s may not write in %s (%s)", u.Name, dir, e.d.owned(info)), "sudo install -d -o "+u.Name+" -m 700 "+o.Dir+", and sudo chown -R "+u.Name+" "+o.Dir)
	}
	e.disk(dir, o.MaxBytes*int64(max(devices, 1)))
}

// disk looks how much room there is, and whether it can be used.
func (e exam) disk(dir string, wanted int64) {
	ask := e.d.Disk
	if ask == nil {
		ask = statDisk
	}
	free, readOnly, err := ask(dir)
	switch {
	case err != nil:
		e.problem("disk", err.Error(), "sudo dmesg | tail")
	case readOnly:
		e.problem("disk", "it is mounted read-only", "an SD card that fails is made read-only: sudo dmesg | grep -i mmc; save what is on it and replace it")
	case free < scarce:
		e.problem("disk", "only "+size(free)+" are free", "make room: sudo apt clean; sudo journalctl --vacuum-size=100M; du -xh / | sort -h | tail")
	case int64(free) < wanted:
		e.warn("disk", fmt.Sprintf("%s are free, and outboxes may grow to %s in all", size(free), size(uint64(wanted))), "make room, or lower outbox.max_bytes")
	default:
		e.ok("disk", "%s are free", size(free))
	}
}

func statDisk(path string) (free uint64, readOnly bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, false, fmt.Errorf("%s: %w", path, err)
	}
	return st.Bavail * uint64(st.Bsize), st.Flags&unix.ST_RDONLY != 0, nil
}

// size writes a number of bytes for people.
func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
