package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/umqttd"
)

// What writes to a file, and what makes that safe.
var (
	writes = []string{"write", "writev", "pwrite64", "pwritev", "pwritev2"}
	syncs  = []string{"fsync", "fdatasync"}
)

// TestSyncedBeforePUBACK looks from outside, since SIGKILL keeps what the kernel has not written: for each PUBACK that a board gets without a broker there was a write
// of its message into the outbox, then a completed fdatasync of that file, and only then the PUBACK.
func TestSyncedBeforePUBACK(t *testing.T) {
	for name, away := range map[string]func(r *rig){
		"broker gone":   func(r *rig) { r.broker.Kill(); r.gateway.WaitMetric(metric("broker_connected"), 0) },
		"broker frozen": func(r *rig) { r.broker.Pause() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const messages, atOnce = 64, 8
			dir := file(t, "outbox")
			r := newRig(t, setup{outbox: dir, trace: strings.Join(append(writes, syncs...), ",")})
			s := cable.NewScript(t, r.line)
			s.Connect("m5", 0)
			id := s.Register("m5/t", 1)
			away(r)
			for n := 0; n < messages; n += atOnce {
				for i := range atOnce {
					s.Send(mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1, TopicID: id, MsgID: uint16(100 + n + i), Data: []byte(syncText(n + i))})
				}
				for range atOnce {
					if p := s.WantAnswer(mqttsn.PubAck); p.ReturnCode != mqttsn.Accepted {
						t.Fatalf("message %d was answered with %v", p.MsgID, p.ReturnCode)
					}
				}
			}
			r.gateway.Kill()
			if n := wantSynced(t, r.trace.Calls(), dir); n != messages {
				t.Errorf("strace saw %d PUBACKs, want %d", n, messages)
			}
		})
	}
}

func syncText(number int) string { return fmt.Sprintf("text-%04d-end", number) }

// wantSynced demands that each PUBACK on a pty comes after its message is safe, and returns how many there were.
func wantSynced(t testing.TB, calls []umqttd.Call, dir string) (pubacks int) {
	t.Helper()
	var line serialproto.Decoder
	for i := range calls {
		c := &calls[i]
		if !strings.HasPrefix(c.File, "/dev/pts/") || !slices.Contains(writes, c.Name) {
			continue
		}
		switch {
		case c.Result > 0:
			line.Feed(c.Data[:c.Result], time.Time{})
		case c.Returned == 0: // killed within the call: the board may have all of it
			line.Feed(c.Data, time.Time{})
		}
		for ev, ok := line.Next(); ok; ev, ok = line.Next() {
			var p mqttsn.Packet
			if ev.Kind != serialproto.Frame || mqttsn.Parse(ev.Body, &p) != nil || p.Type != mqttsn.PubAck {
				continue
			}
			pubacks++
			number := int(p.MsgID) - 100
			if safe := safeAt(calls, dir, syncText(number)); safe == 0 || safe > c.Entered {
				t.Errorf("PUBACK of message %d, in call %d, is not preceded by a sync: %d", number, c.Entered, safe)
			}
		}
	}
	return pubacks
}

// safeAt returns when a text that was written into a file below dir was safe: when the first sync that began after that ended. 0 is never.
func safeAt(calls []umqttd.Call, dir, text string) int {
	written, path := 0, ""
	for i := range calls {
		c := &calls[i]
		switch {
		case !strings.HasPrefix(c.File, dir+"/"):
		case written == 0 && slices.Contains(writes, c.Name) && c.Returned > 0 && c.Result == len(c.Data) && bytes.Contains(c.Data, []byte(text)):
			written, path = c.Returned, c.File
		case written > 0 && slices.Contains(syncs, c.Name) && c.File == path && c.Entered > written && c.Returned > 0 && c.Result == 0:
			return c.Returned
		}
	}
	return 0
}

// failures is a test that may fail.
type failures struct {
	testing.TB
	said []string
}

func (f *failures) Helper()           {}
func (f *failures) Error(args ...any) { f.said = append(f.said, fmt.Sprint(args...)) }
func (f *failures) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

// TestWantSynced plants what TestSyncedBeforePUBACK is for.
func TestWantSynced(t *testing.T) {
	const dir, path, pty = "/outbox", "/outbox/1.seg", "/dev/pts/7"
	puback := mqttsn.Packet{Type: mqttsn.PubAck, MsgID: 100}
	frame := serialproto.AppendFrame(nil, puback.Append(nil))
	message := []byte("..." + syncText(0))
	call := func(name, file string, data []byte, entered, returned, result int) umqttd.Call {
		return umqttd.Call{Name: name, File: file, Data: data, Entered: entered, Returned: returned, Result: result}
	}
	write := call("pwrite64", path, message, 1, 2, len(message))
	answer := call("write", pty, frame, 6, 6, len(frame))
	for name, test := range map[string]struct {
		calls []umqttd.Call
		safe  bool
	}{
		"in order":           {[]umqttd.Call{write, call("fdatasync", path, nil, 3, 5, 0), answer}, true},
		"no sync":            {[]umqttd.Call{write, answer}, false},
		"sync ends later":    {[]umqttd.Call{write, call("fdatasync", path, nil, 3, 7, 0), answer}, false},
		"sync has no end":    {[]umqttd.Call{write, call("fdatasync", path, nil, 3, 0, -1), answer}, false},
		"sync fails":         {[]umqttd.Call{write, call("fdatasync", path, nil, 3, 5, -1), answer}, false},
		"sync began earlier": {[]umqttd.Call{call("fdatasync", path, nil, 1, 5, 0), call("pwrite64", path, message, 2, 3, len(message)), answer}, false},
		"killed in answer":   {[]umqttd.Call{write, call("fdatasync", path, nil, 3, 5, 0), call("write", pty, frame, 6, 0, -1)}, true},
		"another file":       {[]umqttd.Call{write, call("fdatasync", "/outbox/2.seg", nil, 3, 5, 0), answer}, false},
		"written in part":    {[]umqttd.Call{call("pwrite64", path, message, 1, 2, 5), call("fdatasync", path, nil, 3, 5, 0), answer}, false},
	} {
		mock := &failures{TB: t}
		n := wantSynced(mock, test.calls, dir)
		if n != 1 || (len(mock.said) == 0) != test.safe {
			t.Errorf("%s: %d PUBACKs, and the test says %v", name, n, mock.said)
		}
	}
}
