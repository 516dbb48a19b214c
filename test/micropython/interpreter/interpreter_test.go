package interpreter

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program writes a program into a folder of the test's.
func program(t *testing.T, source string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program.py")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pty returns a pty for a board, whose other end the test reads within patience.Limit.
func pty(t *testing.T) (master *os.File, path string) {
	t.Helper()
	master, slave, err := cable.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close(); _ = slave.Close() })
	if err := master.SetDeadline(time.Now().Add(patience.Limit)); err != nil {
		t.Fatal(err)
	}
	return master, slave.Name()
}

// everyVersion runs a test with each interpreter.
func everyVersion(t *testing.T, test func(t *testing.T, version string)) {
	t.Helper()
	for _, version := range Versions {
		t.Run(version, func(t *testing.T) { t.Parallel(); test(t, version) })
	}
}

func TestTalk(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		b := Start(t, Config{Version: version, Mode: Step, Args: []string{"one", "/two"}, Files: map[string]string{"/two": program(t, "text")}, Program: program(t, `
import host, sys, time
host.say("version " + sys.version)
host.say("args " + argv[0] + " " + open(argv[1]).read())

def loop():
    line = host.take()
    if line == "end":
        raise SystemExit(3)
    if line:
        host.say("heard " + line)
    time.sleep_ms(1)
`)})
		if got := b.Wait("version"); !strings.Contains(got, "v"+version) {
			t.Errorf("the version is %s", got)
		}
		if got := b.Wait("args"); got != "one text" {
			t.Errorf("args are %q", got)
		}
		b.Say("a line")
		if got := b.Wait("heard"); got != "a line" {
			t.Errorf("heard %q", got)
		}
		b.Say("end")
		if status := b.Status(patience.Limit); status != 3 {
			t.Errorf("status %d", status)
		}
	})
}

func TestExceptionEndsIt(t *testing.T) {
	b := Start(t, Config{Program: program(t, "def f():\n    raise ValueError('bad')\nf()\n")})
	if status := b.Status(patience.Limit); status != 1 {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(b.Stderr(), `File "program.py", line 2, in f`) || !strings.Contains(b.Stderr(), "ValueError: bad") {
		t.Errorf("stderr: %s", b.Stderr())
	}
}

// TestHeap shows that the heap is as small as it is said to be, and that garbage is collected where it should be.
func TestHeap(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		hoard := program(t, "a = []\nwhile True: a.append(bytearray(1000))\n")
		litter := "for _ in range(20): bytearray(1000)\n"
		for _, test := range []struct {
			name    string
			config  Config
			source  string
			status  int
			problem string
		}{
			{"hoard", Config{Program: hoard}, "", 1, "MemoryError"},
			{"step", Config{Mode: Step}, "n = 0\ndef loop():\n    global n\n    n += 1\n    if n > 100: raise SystemExit(2)\n    " + litter, 2, ""},
			{"tasks", Config{Mode: Tasks}, "import asyncio\nasync def main():\n    for n in range(100):\n        await asyncio.sleep_ms(1)\n        " + litter + "    raise SystemExit(2)\nasyncio.run(main())\n", 2, ""},
			{"lost task", Config{Mode: Tasks}, "import asyncio\nasync def main():\n    raise ValueError('lost')\nasyncio.run(main())\n", 1, "ValueError: lost"},
		} {
			test.config.Version = version
			if test.config.Program == "" {
				test.config.Program = program(t, test.source)
			}
			b := Start(t, test.config)
			if status := b.Status(patience.Limit); status != test.status || !strings.Contains(b.Stderr(), test.problem) {
				t.Errorf("%s: status %d, stderr: %s", test.name, status, b.Stderr())
			}
		}
	})
}

// TestMeasure shows that the live heap is what is alive: garbage does not count, and what is kept does.
func TestMeasure(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		b := Start(t, Config{Version: version, Mode: Step, Program: program(t, `
import host, time
kept = []

def loop():
    line = host.take()
    if line == "heap":
        host.measure()
    elif line:
        kept.append(bytearray(int(line)))
        bytearray(10000)
        host.say("kept")
    time.sleep_ms(1)
`)})
		empty := b.Heap()
		b.Say("4096")
		b.Wait("kept")
		if got := b.Heap() - empty; got < 4096 || got > 4096+512 {
			t.Errorf("4096 bytes take %d", got)
		}
		if again, now := b.Heap(), b.Heap(); again != now {
			t.Errorf("the heap of a program that does nothing is %d and then %d bytes", again, now)
		}
	})
}

func TestUART(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		master, path := pty(t)
		b := Start(t, Config{Version: version, UARTs: map[int]string{2: path}, Program: program(t, `
import host, select
from machine import UART
try:
    UART(1)
except ValueError as e:
    host.say("none " + str(e))
u = UART(2, 115200, timeout=50)
host.say("empty %s %d" % (u.read(), u.any()))
host.say("wrote %d" % u.write(bytes(range(256))))
poll = select.poll()
poll.register(u, select.POLLIN)
poll.poll()
host.say("ready %s" % u.read(4))
u.init(timeout=5000, timeout_char=5000)
all = b""
while len(all) < 252:
    all += u.read(min(100, 252 - len(all)))
host.say("read %s" % (all == bytes(range(4, 256))))
`)})
		if got := b.Wait("none"); got != "UART(1) does not exist" {
			t.Errorf("a UART that is not there: %s", got)
		}
		if got := b.Wait("empty"); got != "None 0" {
			t.Errorf("nothing is there: %s", got)
		}
		b.Wait("wrote")
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		got := make([]byte, 256)
		if _, err := io.ReadFull(master, got); err != nil || !bytes.Equal(got, every) {
			t.Errorf("the board wrote % x: %v", got, err)
		}
		if _, err := master.Write(every); err != nil {
			t.Error(err)
		}
		if got := b.Wait("ready"); got != `b'\x00\x01\x02\x03'` {
			t.Errorf("read %s", got)
		}
		if got := b.Wait("read"); got != "True" {
			t.Errorf("read all: %s", got)
		}
		b.WantOK(patience.Limit)
	})
}

// TestREPL shows what a console on a UART is like: reading waits for all that was asked for, poll does not, and Ctrl-C ends the program unless it has said otherwise.
func TestREPL(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		master, path := pty(t)
		b := Start(t, Config{Version: version, REPL: path, Mode: Step, Program: program(t, `
import host, select, sys, time
import micropython
from micropython import kbd_intr
print("text")
sys.stdout.buffer.write(b"\0\n")
kbd_intr(-1)
poll = select.poll()
poll.register(sys.stdin, select.POLLIN)
host.say("polled %d" % len(poll.poll(0)))
poll.poll()
host.say("ready")
host.say("read %s" % sys.stdin.buffer.read(3))
micropython.kbd_intr(3)
host.say("listening")

def loop():
    poll.poll(10)
`)})
		if got := b.Wait("polled"); got != "0" {
			t.Errorf("poll says %s of an empty line", got)
		}
		printed := make([]byte, 7)
		if _, err := io.ReadFull(master, printed); err != nil || string(printed) != "text\n\x00\n" {
			t.Errorf("printed %q: %v", printed, err)
		}
		for _, step := range []struct{ write, say string }{{"\x03", "ready"}, {"ab", "read"}, {"\x03", "interrupted"}} {
			if _, err := master.WriteString(step.write); err != nil {
				t.Fatal(err)
			}
			if step.say == "read" && len(b.Lines()) > 2 {
				t.Errorf("read did not wait: %q", b.Lines())
			}
			if got := b.Wait(step.say); step.say == "read" && got != `b'\x03ab'` {
				t.Errorf("read %s", got)
			}
		}
		if status := b.Status(patience.Limit); status != 130 {
			t.Errorf("status %d", status)
		}
	})
}

func TestCompile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "compiled")
	if err := os.MkdirAll(filepath.Join(dir, "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]string{"__init__.py": "def f():\n    assert False, 'here'\n", "inner/__init__.py": "", "inner/m.py": "x = 5\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	library := Compile(t, dir)
	everyVersion(t, func(t *testing.T, version string) {
		b := Start(t, Config{Version: version, Libraries: []string{library}, Program: program(t, "import host\nfrom compiled.inner.m import x\nhost.say('x %d' % x)\nimport compiled\ncompiled.f()\n")})
		if got := b.Wait("x"); got != "5" {
			t.Errorf("x is %s", got)
		}
		if b.Status(patience.Limit) != 1 || !strings.Contains(b.Stderr(), `File "compiled/__init__.py", line 2, in f`) {
			t.Errorf("stderr: %s", b.Stderr())
		}
	})
}

// TestNoLitter holds that waiting for a UART leaves next to nothing on the heap: in one call of loop() nothing is collected.
func TestNoLitter(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		_, path := pty(t)
		b := Start(t, Config{Version: version, UARTs: map[int]string{1: path}, Program: program(t, `
import gc, host, time
from machine import UART
u = UART(1)
buf = bytearray(9)
before = gc.mem_alloc()
for _ in range(200):
    u.any()
    u.readinto(buf)
    u.write(buf)
    host.take()
    time.sleep_ms(0)
host.say("litter %d" % (gc.mem_alloc() - before))
`)})
		if n, err := strconv.Atoi(b.Wait("litter")); err != nil || n > 100 {
			t.Errorf("200 rounds have left %d bytes: %v", n, err)
		}
	})
}
