package micropython

import (
	"flag"
	"fmt"
	"testing"

	"github.com/umqttd/umqttd/test/micropython/interpreter"
	"github.com/umqttd/umqttd/test/patience"
)

var memoryMessages = flag.Int("memory.messages", 2000, "how many messages TestMemory sends; 10000 for the documentation")

// TestMemory measures what the client keeps on a board's heap, and holds that it does not grow.
//
//	go test ./test/micropython -run TestMemory -v -memory.messages 10000
func TestMemory(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		r := newRig(t, version, setup{})
		b := r.board("memory.py", interpreter.Config{Mode: interpreter.Step})
		empty := b.Heap()
		step := func(word, done string) int {
			b.Say("%s", word)
			b.WaitFor(6*patience.Limit, done)
			return b.Heap() - empty
		}
		imported := step("import", "imported")
		connected := step("connect", "connected")
		warm := step("100", "sent")
		after := step(fmt.Sprint(*memoryMessages), "sent")
		t.Logf("MicroPython %s: %d bytes live after import, %d connected, %d after 100 messages, %d after %d more", version, imported, connected, warm, after, *memoryMessages)
		if after > warm+256 {
			t.Errorf("the live heap has grown from %d to %d bytes", warm, after)
		}
	})
}
