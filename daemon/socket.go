package daemon

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// SocketPath returns where the daemon with that configuration file serves
// `umqttd monitor`: in systemd's runtime directory, else in /run/umqttd for
// root, else in the user's own. One socket a configuration lets several daemons
// run side by side.
func SocketPath(configFile string) string {
	return filepath.Join(runtimeDir(), socketName(configFile))
}

// SocketPaths returns where such a daemon may be found, whoever runs it.
func SocketPaths(configFile string) []string {
	name := socketName(configFile)
	paths := []string{filepath.Join(runtimeDir(), name)}
	if p := filepath.Join(systemDir, name); p != paths[0] {
		paths = append(paths, p)
	}
	return paths
}

// systemDir is the RuntimeDirectory of the systemd unit.
const systemDir = "/run/umqttd"

func runtimeDir() string {
	// "In case multiple directories are set ... ':' is used as separator",
	// systemd.exec(5).
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return systemDir
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "umqttd")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("umqttd-%d", os.Geteuid()))
}

func socketName(configFile string) string {
	if abs, err := filepath.Abs(configFile); err == nil {
		configFile = abs
	}
	sum := sha256.Sum256([]byte(configFile))
	return fmt.Sprintf("monitor-%x.sock", sum[:8])
}
