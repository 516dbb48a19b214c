package witness

import (
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWitness kills the broker between messages and in the midst of them: every message of one witness reaches the other, the first copies in order.
func TestWitness(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Config{Persistence: true, Lines: BrokerLines})
	speaker := New(t, broker.Addr(), "speaker", "nothing")
	listener := New(t, broker.Addr(), "listener", "words")
	var want []string
	for round := range 5 {
		for i := range 100 {
			word := fmt.Sprintf("%d-%02d", round, i)
			want = append(want, word)
			speaker.Publish("words", word)
		}
		if round%2 == 0 {
			patience.Wait(t, "the words are safe", func() bool { return speaker.Unsure() == 0 })
		}
		patience.Wait(t, "the listener is there", listener.Online)
		broker.Kill()
		broker.Restart()
	}
	patience.Wait(t, "the words are safe", func() bool { return speaker.Unsure() == 0 })
	var got []string
	patience.Wait(t, "the last word is here", func() bool {
		got = nil
		for _, m := range listener.Arrived(0) {
			if !slices.Contains(got, m.Payload) {
				got = append(got, m.Payload)
			}
		}
		return slices.Contains(got, want[len(want)-1])
	})
	if !slices.Equal(got, want) {
		t.Errorf("heard %v", got)
	}
}
