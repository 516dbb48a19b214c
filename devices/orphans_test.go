package devices

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// TestOrphans: a device was given another name while its messages were waiting.
func TestOrphans(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"attic", "shed"} {
		l, err := outbox.Open(outbox.Config{Dir: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := l.Append(&outbox.Message{Client: "b1", Topic: []byte("t")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []string{"empty", "lost+found"} {
		if err := os.Mkdir(filepath.Join(dir, other), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got := Orphans(dir, []string{"shed", "loft"})
	if len(got) != 1 || got[0].Messages != 2 || !strings.Contains(got[0].String(), `no device "attic"`) {
		t.Errorf("found %v", got)
	}
	if got := Orphans(dir, []string{"shed", "attic"}); len(got) > 0 {
		t.Errorf("found %v", got)
	}
}
