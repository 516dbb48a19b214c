package umqttd

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FillDisk makes every write to a file fail, as on a full disk: the kernel lets no file of the process grow or change beyond its first byte. What the program
// writes to ports and sockets is no file. It works for every user and on every file system, which a small one of the test's own does not.
func (g *Gateway) FillDisk() {
	g.t.Helper()
	g.limitFiles(0)
}

// FreeDisk ends FillDisk.
func (g *Gateway) FreeDisk() {
	g.t.Helper()
	g.limitFiles(unix.RLIM_INFINITY)
}

func (g *Gateway) limitFiles(bytes uint64) {
	g.t.Helper()
	var limit unix.Rlimit
	if err := unix.Prlimit(g.PID(), unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		g.t.Fatalf("umqttd: read its limit of file sizes: %v", err)
	}
	limit.Cur = min(bytes, limit.Max)
	if err := unix.Prlimit(g.PID(), unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		g.t.Fatalf("umqttd: limit its file sizes: %v", err)
	}
}

// Status returns a number of /proc/PID/status, such as VmHWM. Sizes are in KiB.
func (g *Gateway) Status(key string) int {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(g.PID()), "status"))
	if err != nil {
		g.t.Fatalf("umqttd: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if fields := strings.Fields(value); name == key && len(fields) > 0 {
			n, err := strconv.Atoi(fields[0])
			if err != nil {
				g.t.Fatalf("umqttd: its status has the line %q", line)
			}
			return n
		}
	}
	g.t.Fatalf("umqttd: its status has no %s", key)
	return 0
}
