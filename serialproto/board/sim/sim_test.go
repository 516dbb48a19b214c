package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func TestProgramRunsToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		began := time.Now()
		_, err := run(t, t.Context(), Config{
			Line: Line{Baud: 115200},
			Program: Program{Count: 3, Topics: []Topic{
				{Name: "m5/t", QoS: 1, Interval: 100 * time.Millisecond},
				{Name: "m5/hum", Interval: 50 * time.Millisecond, Size: 40, Retain: true},
			}},
		}, h, line)
		if err != nil {
			t.Fatal(err)
		}
		for _, topicID := range []uint16{4, 6} {
			got := h.payloads(topicID)
			if len(got) != 3 {
				t.Fatalf("topic id %d got %q", topicID, got)
			}
			for i, data := range got {
				if !strings.HasPrefix(data, fmt.Sprintf(`{"seq":%d,"value":2`, i+1)) {
					t.Errorf("message %d is %q", i+1, data)
				}
				if topicID == 6 && len(data) != 40 {
					t.Errorf("%q has %d bytes", data, len(data))
				}
			}
		}
		if h.last() != mqttsn.Disconnect || h.retries > 0 {
			t.Errorf("the last message was %s, %d were sent twice", h.last(), h.retries)
		}
		if d := time.Since(began); d < 200*time.Millisecond || d > 250*time.Millisecond {
			t.Errorf("three messages 100 ms apart took %v", d)
		}
	})
}

// A cancelled context is a Ctrl-C: the board says goodbye.
func TestStopIsOrderly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h, line := newHost(t)
		time.AfterFunc(time.Second, cancel)
		_, err := run(t, ctx, Config{Program: Program{Topics: []Topic{{Name: "m5/t"}}}}, h, line)
		if err != nil || h.last() != mqttsn.Disconnect {
			t.Fatalf("error %v, the last message was %s", err, h.last())
		}
	})
}

func TestStopThoughNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h, line := newHost(t)
		defer h.conn.Close()
		began := time.Now()
		cancel()
		if err := power(t, Config{}).Run(ctx, line); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != stopPatience {
			t.Fatalf("it took %v", d)
		}
	})
}

func TestStopThoughNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h, line := newHost(t)
		h.silent = true
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if _, err := run(t, ctx, Config{}, h, line); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 2*time.Second {
			t.Fatalf("it took %v", d)
		}
	})
}

// The cable is pulled and put back: the board kept its power, and sends again
// what was not acknowledged.
func TestRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		noise := 0
		s := power(t, Config{
			Line:    Line{Baud: 1200},
			Console: Console{Banner: "boot\r\n"},
			Observe: func(o Observation) {
				if o.Kind == Noise {
					noise++
				}
			},
			OnEvent: onConnected(func(_ time.Time, b *board.Board) {
				h.silent = true
				if err := b.Publish(board.Message{Topic: "tt", Data: []byte("x"), QoS: 1}); err != nil {
					t.Error(err)
				}
				time.AfterFunc(time.Second, func() {
					_, _ = h.conn.Write([]byte("this takes longer than the cable lives"))
					h.conn.Close()
				})
			}),
		})
		go h.serve()
		if err := s.Run(t.Context(), line); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("got %v", err)
		}
		<-h.done

		ctx, cancel := context.WithCancel(t.Context())
		again, line := newHost(t)
		time.AfterFunc(10*time.Second, cancel)
		go again.serve()
		if err := s.Run(ctx, line); err != nil {
			t.Fatal(err)
		}
		<-again.done
		if first := again.frames[0]; first.Type != mqttsn.Publish || !first.Flags.Has(mqttsn.DUP) || string(first.Data) != "x" {
			t.Errorf("the first message is %s %+v", first.Type, first.Packet)
		}
		if again.text != "" || noise != 0 {
			t.Errorf("the board booted: %q; %d pieces of noise", again.text, noise)
		}
	})
}

func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		s := power(t, Config{})
		go h.serve()
		done := make(chan error)
		go func() { done <- s.Run(t.Context(), line) }()
		time.Sleep(time.Second) // of the bubble: the board has connected
		if !s.Do(t.Context(), func(now time.Time, b *board.Board) { b.Disconnect(now) }) {
			t.Fatal("not done")
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		<-h.done
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if s.Do(ctx, func(time.Time, *board.Board) { t.Error("done by whom?") }) {
			t.Fatal("done though nobody runs")
		}
	})
}

// Frames and text share the line and never mix.
func TestConsole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		var printed string
		_, err := run(t, t.Context(), Config{
			Line:    Line{Baud: 115200},
			Console: Console{Banner: BootBanner, Interval: 7 * time.Millisecond},
			Program: Program{Count: 50, Topics: []Topic{{Name: "m5/t", QoS: 1, Interval: 10 * time.Millisecond}}},
			Observe: func(o Observation) {
				if o.Kind == Printed {
					printed += string(o.Body)
				}
			},
		}, h, line)
		if err != nil {
			t.Fatal(err)
		}
		if h.noise != 0 || len(h.payloads(4)) != 50 {
			t.Errorf("%d pieces of noise, %d messages", h.noise, len(h.payloads(4)))
		}
		if h.text != printed || !strings.HasPrefix(h.text, BootBanner+"I (") || strings.Count(h.text, "still here") < 40 {
			t.Errorf("printed %q, arrived %q", printed, h.text)
		}
	})
}

func TestFloodKeepsTheWindowFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		h.delay = 20 * time.Millisecond
		flying, most := 0, 0
		_, err := run(t, t.Context(), Config{
			Line:  Line{Baud: 921600},
			Board: board.Config{Window: 4},
			Program: Program{Count: 200, Topics: []Topic{
				{Name: "m5/t", QoS: 1, Interval: -1}, {Name: "m5/hum", QoS: 1, Interval: -1},
			}},
			Observe: func(o Observation) {
				switch {
				case o.Kind == Sent && o.Body[1] == byte(mqttsn.Publish):
					flying++
				case o.Kind == Happened && o.Event.Kind == board.Published:
					flying--
				}
				most = max(most, flying)
			},
		}, h, line)
		if err != nil {
			t.Fatal(err)
		}
		if most != 4 || len(h.payloads(4)) != 200 || len(h.payloads(6)) != 200 {
			t.Errorf("%d in flight at most; %d and %d messages", most, len(h.payloads(4)), len(h.payloads(6)))
		}
	})
}

// A program that publishes faster than the line takes it stays stoppable.
func TestFloodWithQoS0CanBeStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h, line := newHost(t)
	sent := 0
	_, err := run(t, ctx, Config{
		Program: Program{Topics: []Topic{{Name: "tt", Interval: -1}}},
		Observe: func(o Observation) {
			if o.Kind == Sent {
				if sent++; sent == 1000 {
					cancel()
				}
			}
		},
	}, h, line)
	if err != nil || h.last() != mqttsn.Disconnect {
		t.Fatalf("error %v, the last message was %s", err, h.last())
	}
}

func TestCommandsAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, line := newHost(t)
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		s := power(t, Config{
			Program: Program{Commands: []string{"m5/cmd"}, AskTime: true},
			Observe: func(o Observation) {
				switch {
				case o.Kind == Happened && o.Event.Kind == board.Received:
					got = append(got, o.Event.Topic+" "+string(o.Event.Data))
				case o.Kind == Happened && o.Event.Kind == board.Subscribed:
					go h.send(mqttsn.Packet{Type: mqttsn.Publish, TopicID: 99, Data: []byte("on")})
				}
			},
		})
		time.AfterFunc(time.Second, cancel)
		go h.serve()
		if err := s.Run(ctx, line); err != nil {
			t.Fatal(err)
		}
		<-h.done
		if !slices.Equal(got, []string{"m5/cmd on"}) {
			t.Errorf("got %q", got)
		}
		if len(h.payloads(uint16(len("$umqttd/time")))) != 1 {
			t.Error("the board did not ask for the time")
		}
	})
}

func TestNewRefuses(t *testing.T) {
	good := board.Config{ClientID: "b1"}
	for name, cfg := range map[string]Config{
		"no client id":      {},
		"a negative ring":   {Board: good, Line: Line{Ring: -1}},
		"a negative poll":   {Board: good, Line: Line{Poll: -1}},
		"a negative speed":  {Board: good, Line: Line{Baud: -1}},
		"a negative sleep":  {Board: good, Program: Program{Sleep: -1}},
		"loss of 2":         {Board: good, Faults: Faults{Loss: 2}},
		"noise of -1":       {Board: good, Faults: Faults{Noise: -1}},
		"a wildcard topic":  {Board: good, Program: Program{Topics: []Topic{{Name: "a/+"}}}},
		"QoS 2":             {Board: good, Program: Program{Topics: []Topic{{Name: "a/b", QoS: 2}}}},
		"a large payload":   {Board: good, Program: Program{Topics: []Topic{{Name: "a/b", Size: 4000}}}},
		"an invalid filter": {Board: good, Program: Program{Commands: []string{"a+"}}},
	} {
		if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), "sim: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
