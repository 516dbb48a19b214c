package port

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Info is what can be known of a serial port without opening it.
type Info struct {
	Path         string `json:"path"`              // the device node
	ByID         string `json:"by_id,omitempty"`   // link that follows the adapter
	ByPath       string `json:"by_path,omitempty"` // link that follows the socket
	VID          string `json:"vid,omitempty"`     // four digits in lower case
	PID          string `json:"pid,omitempty"`
	Serial       string `json:"serial,omitempty"`
	Manufacturer string `json:"manufacturer,omitempty"`
	Product      string `json:"product,omitempty"`
	Driver       string `json:"driver,omitempty"`
	// Console is true for a port on which the kernel prints its messages.
	Console bool `json:"console,omitempty"`
	// Problem says why this user may not open the port, and what to do; "" if
	// permissions allow it.
	Problem string `json:"problem,omitempty"`
	// Holders has the processes known to have the port open. Only root sees
	// those of other users.
	Holders []Holder `json:"holders,omitempty"`
}

// Holder is a process that has a port open.
type Holder struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
}

// String returns "minicom (pid 123)".
func (h Holder) String() string { return fmt.Sprintf("%s (pid %d)", h.Name, h.PID) }

// List returns the serial ports of this machine in the order of their names. It
// opens none of them: opening would raise DTR and reset boards, and asking a
// ttyS for its settings the usual way disturbs consoles.
func (f Finder) List() ([]Info, error) {
	all, err := f.hardware()
	if err != nil {
		return nil, err
	}
	byID, byPath := f.links("serial/by-id"), f.links("serial/by-path")
	consoles := strings.Fields(attribute(filepath.Join(f.sys(), "class/tty/console"), "active"))
	infos := make([]Info, len(all))
	paths := make([]string, len(all))
	for i, h := range all {
		path := filepath.Join(f.dev(), h.name)
		paths[i] = path
		infos[i] = Info{
			Path: path, ByID: byID[path], ByPath: byPath[path],
			VID: h.usb.VID, PID: h.usb.PID, Serial: h.usb.Serial,
			Manufacturer: h.manufacturer, Product: h.product, Driver: h.driver,
			Console: slices.Contains(consoles, h.name),
		}
		if err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK, unix.AT_EACCESS); err != nil {
			infos[i].Problem = openError(path, err).summary()
		}
	}
	holders := f.holders(paths...)
	for i := range infos {
		infos[i].Holders = holders[infos[i].Path]
	}
	return infos, nil
}

// holders returns which processes have the given nodes open, as far as this
// user may know.
func (f Finder) holders(paths ...string) map[string][]Holder {
	found := make(map[string][]Holder)
	entries, _ := os.ReadDir(f.proc())
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(f.proc(), entry.Name())
		fds, _ := os.ReadDir(filepath.Join(dir, "fd")) // not ours to see, or just ended
		for _, fd := range fds {
			path, _ := os.Readlink(filepath.Join(dir, "fd", fd.Name()))
			if !slices.Contains(paths, path) {
				continue
			}
			if h := (Holder{PID: pid, Name: attribute(dir, "comm")}); !slices.Contains(found[path], h) {
				found[path] = append(found[path], h)
			}
		}
	}
	return found
}

// busyFix says who has path open, if that can be seen.
func (f Finder) busyFix(path string) string {
	var names []string
	for _, h := range f.holders(path)[path] {
		if h.PID != os.Getpid() {
			names = append(names, h.String())
		}
	}
	if names == nil {
		return "another program has it open; `sudo fuser -v " + path + "` names it"
	}
	return "stop " + strings.Join(names, ", ") + ", which has it open"
}

// permissionFix says how a user gets to open path, judging by its owner.
func permissionFix(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return "give the user access to " + filepath.Dir(path)
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	const groupRW fs.FileMode = 0o060
	if !ok || st.Mode()&groupRW != groupRW || sys.Gid == 0 {
		return fmt.Sprintf("only its owner may (mode %04o): install the udev rules, or write one with GROUP=\"dialout\", MODE=\"0660\"", st.Mode().Perm())
	}
	group := strconv.Itoa(int(sys.Gid))
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return "add the user to group " + group + ": sudo usermod -aG " + group + " USER, then log in again or restart the service"
}
