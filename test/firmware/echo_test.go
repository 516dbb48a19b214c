package firmware

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/cable"
)

// machines are the targets that QEMU runs.
var machines = []string{"rv32imc", "avr"}

// TestEcho shows that the machines work: every byte value gets there and back, the clock runs, and the end comes with its status.
func TestEcho(t *testing.T) {
	for _, target := range machines {
		t.Run(target, func(t *testing.T) {
			turn(t, target)
			master, slave, err := cable.OpenPTY()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = master.Close(), slave.Close() }()
			m := powerOn(t, target, image(t, target, "echo/echo.c"), slave.Name())
			m.wait("ready")
			var all []byte
			for b := range 256 {
				if b != 4 {
					all = append(all, byte(b))
				}
			}
			exchange(t, master, all)
			exchange(t, master, all[100:120])
			if _, err := master.Write([]byte{4}); err != nil {
				t.Fatal(err)
			}
			m.wantExit(target, 7)
			if got := m.wait("ms"); got == "0" {
				t.Error("the clock stands still")
			}
		})
	}
}

// exchange sends bytes, which must come back.
func exchange(t *testing.T, line *os.File, p []byte) {
	t.Helper()
	if _, err := line.Write(p); err != nil {
		t.Fatal(err)
	}
	_ = line.SetReadDeadline(time.Now().Add(10 * time.Second))
	var got []byte
	for buf := make([]byte, 512); len(got) < len(p); {
		n, err := line.Read(buf)
		if err != nil {
			t.Fatalf("%v after % x", err, got)
		}
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, p) {
		t.Errorf("sent % x, and % x came back", p, got)
	}
}
