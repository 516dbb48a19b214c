package devices

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// An Orphan is an outbox with messages whose device is not configured any more, under
// that name. Nobody delivers them.
type Orphan struct {
	Dir      string // its last element is the name of the device
	Messages int
}

// String says what to do about it.
func (o Orphan) String() string {
	return fmt.Sprintf("outbox: %s holds %d messages, and no device %q is configured; give a device that name and they are delivered, or delete the folder",
		o.Dir, o.Messages, filepath.Base(o.Dir))
}

// Orphans looks for them in the folder of all outboxes; names are the devices that are
// configured. It changes nothing. What cannot be read is nobody's.
func Orphans(dir string, names []string) []Orphan {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // Open says so
	}
	var found []Orphan
	for _, e := range entries {
		if !e.IsDir() || slices.Contains(names, e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if r, err := outbox.Inspect(path); err == nil && r.Messages > 0 {
			found = append(found, Orphan{path, r.Messages})
		}
	}
	return found
}
