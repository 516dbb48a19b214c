package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// patientBroker lets a broker be slow on a loaded machine without a message being written to disk.
const patientBroker = ", spill_after: 20s"

// TestNothingWritten counts what is written below the folder of the outbox while the broker is well: nothing at all for a board with a clean session.
func TestNothingWritten(t *testing.T) {
	t.Parallel()
	const messages = 3000
	dir := file(t, "outbox")
	files := []string{"open", "openat", "creat", "ftruncate", "fallocate", "rename", "renameat", "renameat2", "unlinkat"}
	r := newRig(t, setup{outbox: dir, keys: patientBroker, trace: strings.Join(slices.Concat(writes, syncs, files), ",")})
	judge := r.judge("m5/#")
	b := cable.NewBoard(t, r.line, board.Config{ClientID: "m5", CleanSession: true, Window: 8, MaxQueue: messages})
	b.Subscribe("cmd/m5", 1)
	sent := numbered("up", messages)
	send(b, "m5/t", sent)
	b.WaitAcknowledged()
	r.publish("cmd/m5", numbered("down", 100)...)
	b.Wait(board.Received, 100)
	wantOnce(t, payloads(judge.wait(messages)), sent)
	b.Disconnect()
	r.gateway.Stop()
	calls, mentioned := r.trace.Calls(), 0
	for i := range calls {
		c := &calls[i]
		if !strings.HasPrefix(c.File, dir) {
			continue
		}
		mentioned++
		if !strings.HasPrefix(c.Name, "open") || strings.Contains(c.Flags, "O_CREAT") || strings.Contains(c.Flags, "O_RDWR") || strings.Contains(c.Flags, "O_WRONLY") {
			t.Errorf("%s of %s, flags %s, %d bytes", c.Name, c.File, c.Flags, c.Result)
		}
	}
	if mentioned == 0 {
		t.Error("strace has not even seen the folder being opened; this test looks in the wrong place")
	}
	if state := contents(t, dir); len(state) > 0 {
		t.Errorf("the folder holds %v", state)
	}
}

// TestStateWrittenWhenItChanges lets a board with CleanSession=0 talk: what a restart needs of it is written, and then nothing more.
func TestStateWrittenWhenItChanges(t *testing.T) {
	t.Parallel()
	const messages = 2000
	dir := file(t, "outbox")
	r := newRig(t, setup{outbox: dir, keys: patientBroker})
	b := cable.NewBoard(t, r.line, board.Config{ClientID: "m5", Window: 8, MaxQueue: messages})
	b.Subscribe("cmd/m5", 1)
	send(b, "m5/t", []string{"first"})
	b.WaitAcknowledged()
	waitStored(t, dir, "cmd/m5", "m5/t")
	before := contents(t, dir)
	send(b, "m5/t", numbered("up", messages))
	b.WaitAcknowledged()
	r.publish("cmd/m5", numbered("down", 100)...)
	b.Wait(board.Received, 100)
	if after := contents(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%d messages have changed the outbox from %v to %v", messages, before, after)
	}
}

// contents returns the checksums of the files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for path, data := range readAll(t, dir) {
		all[path] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return all
}

// readAll returns the files below a folder, which may come and go meanwhile.
func readAll(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all[path], err = os.ReadFile(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// waitStored waits until all of the texts are in a file of the outbox.
func waitStored(t *testing.T, dir string, texts ...string) {
	t.Helper()
	patience.Wait(t, fmt.Sprintf("%q is in the outbox", texts), func() bool {
		data := slices.Concat(slices.Collect(maps.Values(readAll(t, dir)))...)
		for _, text := range texts {
			if !bytes.Contains(data, []byte(text)) {
				return false
			}
		}
		return true
	})
}

// TestReplay keeps messages over an outage, SIGKILL and the loss of their board: they are delivered as soon as umqttd and the broker run again, in order, and the
// board is not needed for it.
func TestReplay(t *testing.T) {
	for name, clean := range map[string]bool{"kept session": false, "clean session": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{broker: lasting, outbox: file(t, "outbox")})
			judge := r.judge("m5/#")
			b := r.board(board.Config{ClientID: "m5", CleanSession: clean, Window: 8})
			send(b, "m5/t", []string{"before"})
			b.WaitAcknowledged()
			judge.wait(1)
			r.settle()
			r.broker.Kill()
			r.gateway.WaitMetric(metric("broker_connected"), 0)
			sent := numbered("up", 300)
			send(b, "m5/t", sent)
			b.WaitAcknowledged()
			r.gateway.WaitMetric(metric("outbox_messages"), 300)
			r.gateway.WaitMetric(metric("outbox_max_bytes"), 64<<20)
			wantUndisturbed(t, b)
			b.PowerOff()
			r.line.Unplug()
			r.gateway.Kill()
			r.gateway.Restart()
			r.gateway.WaitMetric(metric("outbox_messages"), 300)
			r.broker.Restart()
			judge.wait(301)
			r.gateway.WaitMetric(metric("outbox_messages"), 0)
			wantAll(t, payloads(judge.all()), append([]string{"before"}, sent...))
		})
	}
}

// TestConnectOffline connects a board while the broker is away: with an outbox it can work.
func TestConnectOffline(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting, outbox: file(t, "outbox")})
	judge := r.judge("m5/#")
	r.settle()
	r.broker.Kill()
	b := r.board(board.Config{ClientID: "m5", Window: 4})
	sent := numbered("up", 50)
	send(b, "m5/t", sent)
	b.WaitAcknowledged()
	r.broker.Restart()
	wantOnce(t, payloads(judge.wait(len(sent))), sent)
	wantUndisturbed(t, b)
}

// TestTopicIDsSurvive kills umqttd under a board with CleanSession=0 that registers nothing again: its ids and its subscription are still there.
func TestTopicIDsSurvive(t *testing.T) {
	t.Parallel()
	dir := file(t, "outbox")
	r := newRig(t, setup{outbox: dir})
	judge := r.judge("m5/#")
	s := cable.NewScript(t, r.line)
	s.Connect("m5", 0)
	id := s.Register("m5/t", 1)
	s.Send(mqttsn.Packet{Type: mqttsn.Subscribe, Flags: mqttsn.QoS1, MsgID: 2, Topic: []byte("cmd/+")})
	if p := s.WantAnswer(mqttsn.SubAck); p.ReturnCode != mqttsn.Accepted {
		t.Fatalf("SUBACK says %v", p.ReturnCode)
	}
	waitStored(t, dir, "m5/t", "cmd/+")
	r.gateway.Kill()
	r.gateway.Restart()
	s.Want(mqttsn.Disconnect)
	s.Connect("m5", 0)
	s.Send(mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.QoS1, TopicID: id, MsgID: 3, Data: []byte("still known")})
	if p := s.WantAnswer(mqttsn.PubAck); p.ReturnCode != mqttsn.Accepted {
		t.Errorf("the id of before the kill was answered with %v", p.ReturnCode)
	}
	judge.waitFor("m5/t", "still known")
	r.publish("cmd/m5", "on")
	p := s.WantAnswer(mqttsn.Register)
	if string(p.Topic) != "cmd/m5" || p.TopicID == id {
		t.Errorf("the gateway registered %+v", p)
	}
	s.Send(mqttsn.Packet{Type: mqttsn.RegAck, TopicID: p.TopicID, MsgID: p.MsgID})
	if m := s.WantAnswer(mqttsn.Publish); string(m.Data) != "on" || m.TopicID != p.TopicID {
		t.Errorf("the gateway published %+v", m)
	}
}

// TestReplayKeepsTheSession kills umqttd with messages on disk right after their board connected for the first time. To deliver them it opens the board's session, and
// must not end it: what the broker has for the board is still there when it comes back.
func TestReplayKeepsTheSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting, outbox: file(t, "outbox")})
	judge := r.judge("m5/#")
	b := r.board(board.Config{ClientID: "m5", Window: 4})
	b.Subscribe("cmd/m5", 1)
	r.settle()
	r.broker.Kill()
	r.gateway.WaitMetric(metric("broker_connected"), 0)
	sent, down := numbered("up", 10), numbered("down", 20)
	send(b, "m5/t", sent)
	b.WaitAcknowledged()
	b.PowerOff()
	r.gateway.Kill()
	r.broker.Restart()
	r.publish("cmd/m5", down...)
	r.gateway.Restart()
	judge.wait(len(sent))
	r.gateway.WaitMetric(metric("outbox_messages"), 0)
	again := r.board(board.Config{ClientID: "m5", AskSession: true})
	if !again.Wait(board.Connected, 1).SessionPresent {
		t.Error("the session was lost")
	}
	again.Wait(board.Received, len(down))
	wantOnce(t, received(again), down)
}
