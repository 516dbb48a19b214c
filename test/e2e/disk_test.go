package e2e

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/umqttd"
)

// TestDiskFull takes the disk's space away and gives it back. Boards are told to wait, the operator is told why, and nobody has to do anything afterwards.
func TestDiskFull(t *testing.T) {
	for name, before := range map[string]int{"before the first message": 0, "after some": 50} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{broker: lasting, outbox: file(t, "outbox")})
			judge := r.judge("m5/#")
			b := r.board(board.Config{ClientID: "m5"})
			r.settle()
			r.broker.Kill()
			r.gateway.WaitMetric(metric("broker_connected"), 0)
			sent := numbered("up", 100)
			send(b, "m5/t", sent[:before])
			b.WaitAcknowledged()
			r.gateway.FillDisk()
			send(b, "m5/t", sent[before:])
			b.Wait(board.Congested, 2)
			if n := b.Count(board.Published); n != before {
				t.Errorf("%d messages were acknowledged, of which the disk took %d", n, before)
			}
			r.gateway.WaitMetricAtLeast(metric("outbox_refused_total", `reason="failed"`), 1)
			r.gateway.WaitMetricAtLeast(metric("dropped_total", `reason="congestion"`), 1)
			if n := r.gateway.Logged("ERROR", "outbox cannot be written"); n != 1 {
				t.Errorf("the log says %d times that the outbox cannot be written, want once", n)
			}
			r.gateway.FreeDisk()
			b.WaitAcknowledged()
			patience.Wait(t, "the log says that it is over", func() bool { return r.gateway.Logged("outbox takes messages again") == 1 })
			r.broker.Restart()
			wantOnce(t, payloads(judge.wait(len(sent))), sent)
			r.gateway.WaitMetric(metric("outbox_messages"), 0)
			wantUndisturbed(t, b)
		})
	}
}

// TestDiskFullUnnoticed takes the disk's space away from a gateway whose broker is well: nobody needs the disk.
func TestDiskFullUnnoticed(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{outbox: file(t, "outbox"), keys: patientBroker})
	judge := r.judge("m5/#")
	r.gateway.FillDisk()
	b := r.board(board.Config{ClientID: "m5", Window: 4})
	sent := numbered("up", 200)
	send(b, "m5/t", sent)
	wantOnce(t, payloads(judge.wait(len(sent))), sent)
	if n := b.Count(board.Congested); n != 0 {
		t.Errorf("the board was told to wait %d times", n)
	}
}

const kilobyte = 1000

// large returns n numbered payloads of a kilobyte.
func large(n int) []string {
	all := numbered("up", n)
	for i := range all {
		all[i] += strings.Repeat(".", kilobyte-len(all[i]))
	}
	return all
}

// TestOutboxFull fills an outbox of 1 MiB: the board is told to wait, what was acknowledged arrives, and the rest afterwards.
func TestOutboxFull(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting, outbox: file(t, "outbox"), keys: ", max_bytes: 1MiB"})
	judge := r.judge("m5/#")
	b := cable.NewBoard(t, r.line, board.Config{ClientID: "m5", MaxQueue: 2000})
	b.Wait(board.Connected, 1)
	r.settle()
	r.broker.Kill()
	r.gateway.WaitMetric(metric("broker_connected"), 0)
	sent := large(1500)
	send(b, "m5/t", sent)
	b.Wait(board.Congested, 2)
	if n := b.Count(board.Published); n < 700 || n > 1048 {
		t.Errorf("%d messages of 1000 bytes were acknowledged into 1 MiB", n)
	}
	r.gateway.WaitMetricAtLeast(metric("outbox_refused_total", `reason="full"`), 1)
	if n := r.gateway.Logged("ERROR", "outbox is full"); n != 1 {
		t.Errorf("the log says %d times that the outbox is full, want once", n)
	}
	r.broker.Restart()
	b.WaitAcknowledged()
	wantOnce(t, payloads(judge.wait(len(sent))), sent)
	wantUndisturbed(t, b)
}

// TestDropOldest fills an outbox that may drop what is oldest: every message is acknowledged, the newest arrive, and the others are counted.
func TestDropOldest(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{broker: lasting, outbox: file(t, "outbox"), keys: ", max_bytes: 1MiB, when_full: drop_oldest"})
	judge := r.judge("m5/#")
	b := cable.NewBoard(t, r.line, board.Config{ClientID: "m5", Window: 8, MaxQueue: 3000})
	b.Wait(board.Connected, 1)
	r.settle()
	r.broker.Kill()
	r.gateway.WaitMetric(metric("broker_connected"), 0)
	sent := large(2500)
	send(b, "m5/t", sent)
	b.WaitAcknowledged()
	if n := b.Count(board.Congested); n != 0 {
		t.Errorf("the board was told to wait %d times", n)
	}
	dropped := int(r.gateway.Metric(metric("dropped_total", `reason="outbox_oldest"`)))
	if dropped < 1400 {
		t.Errorf("%d messages were dropped; the others do not fit into 1 MiB", dropped)
	}
	r.broker.Restart()
	wantOnce(t, payloads(judge.wait(len(sent)-dropped)), sent[dropped:])
}

// TestUnusableOutbox starts umqttd with a folder that holds what it must not touch: that device says so, and which file it is, and stays away from its port; the
// others run; and the file is as it was. When it is gone, the device runs by itself.
func TestUnusableOutbox(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(segment []byte) []byte
		want  string
	}{
		"not a segment": {func([]byte) []byte { return []byte(strings.Repeat("my diary\n", 1000)) }, "has a damaged header"},
		"damaged":       {func(segment []byte) []byte { segment[20] ^= 1; return segment }, "has a damaged header"},
		"newer version": {func(segment []byte) []byte { return withVersion(segment, 2) }, "was written by a newer version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUnusable(t)
			path := u.segment()
			spoilt := test.spoil(u.read(path))
			if err := os.WriteFile(path, spoilt, 0o600); err != nil {
				t.Fatal(err)
			}
			u.gateway.RestartUnready()
			u.gateway.WaitMetric(`umqttd_device_up{device="barn"}`, 1)
			barn := cable.NewBoard(t, u.barn, board.Config{ClientID: "barn"})
			send(barn, "barn/t", []string{"1"})
			barn.WaitAcknowledged()
			patience.Wait(t, "the log names the file", func() bool { return u.gateway.Logged("ERROR", path+" "+test.want, "elsewhere") > 0 })
			if n := u.gateway.Metric(metric("device_up")); n != 0 {
				t.Error("the port was opened all the same")
			}
			if !slices.Equal(u.read(path), spoilt) {
				t.Error("the file was changed")
			}
			u.gateway.Stop()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			u.gateway.Restart()
			u.gateway.WaitMetric(metric("device_up"), 1)
		})
	}
}

// unusable is a umqttd of two devices that has ended, and whose device attic has something in its outbox.
type unusable struct {
	t           *testing.T
	dir         string
	attic, barn *cable.Cable
	gateway     *umqttd.Gateway
}

func newUnusable(t *testing.T) *unusable {
	u := &unusable{t: t, dir: file(t, "outbox"), attic: cable.New(t), barn: cable.New(t)}
	broker := mosquitto.Start(t, mosquitto.Config{})
	u.gateway = umqttd.Start(t, program, `
broker: {url: "`+broker.URL()+`", reconnect: {min: 20ms, max: 200ms}}
outbox: {dir: `+u.dir+`}
devices:
  - {name: attic, port: `+u.attic.Path()+`}
  - {name: barn, port: `+u.barn.Path()+`}
`)
	u.gateway.WaitMetric(metric("device_up"), 1)
	b := cable.NewBoard(t, u.attic, board.Config{ClientID: "attic"})
	b.Wait(board.Connected, 1)
	broker.Kill()
	u.gateway.WaitMetric(metric("broker_connected"), 0)
	send(b, "attic/t", []string{"stored"})
	b.WaitAcknowledged()
	u.gateway.Stop()
	broker.Restart()
	return u
}

// segment returns the file that the outbox of attic is.
func (u *unusable) segment() string {
	u.t.Helper()
	all, err := filepath.Glob(filepath.Join(u.dir, "attic", "*.seg"))
	if err != nil || len(all) != 1 {
		u.t.Fatalf("the outbox has the segments %v: %v", all, err)
	}
	return all[0]
}

func (u *unusable) read(path string) []byte {
	u.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		u.t.Fatal(err)
	}
	return data
}

// withVersion returns a segment with another version in its header, as a later umqttd would write it.
func withVersion(segment []byte, version uint32) []byte {
	const headerLen = 64
	other := slices.Clone(segment)
	binary.LittleEndian.PutUint32(other[8:], version)
	sum := crc32.Checksum(other[:headerLen-4], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(other[headerLen-4:], sum)
	return other
}
