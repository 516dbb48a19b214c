package sim

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
)

// The board sleeps when everything is acknowledged, looks for messages once every
// Sleep, and connects when there is something to publish.
func TestSleepingProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		began := time.Now()
		_, err := run(t, t.Context(), Config{
			Board: board.Config{KeepAlive: 3 * time.Second},
			Program: Program{
				Sleep: 10 * time.Second, Count: 2, AskTime: true, Commands: []string{"m5/cmd"},
				Topics: []Topic{{Name: "m5/t", QoS: 1, Interval: 25 * time.Second}, {Name: "tt", Interval: 25 * time.Second}},
			},
		}, h, line)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range h.frames {
			what := fmt.Sprintf("%d %s", f.at.Sub(began)/time.Second, f.Type)
			if f.HasDuration {
				what += fmt.Sprint(" ", f.Duration)
			}
			got = append(got, what)
		}
		want := []string{
			"0 CONNECT", "0 SUBSCRIBE", "0 REGISTER", "0 PUBLISH", "0 REGISTER", "0 PUBLISH", "0 PUBLISH", "0 DISCONNECT 10",
			"10 PINGREQ", "20 PINGREQ",
			"25 CONNECT", "25 SUBSCRIBE", "25 REGISTER", "25 PUBLISH", "25 REGISTER", "25 PUBLISH", "25 PUBLISH", "25 DISCONNECT",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}
