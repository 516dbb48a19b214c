package machine

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestArchive holds every byte: numbers are hexadecimal, names and contents end at a multiple of four.
func TestArchive(t *testing.T) {
	var out bytes.Buffer
	a := &archive{out: &out}
	a.dir("/d")
	a.file("/d/f", []byte("hello\n"))
	a.end()
	want := "" +
		"070701" + "00000001" + "000041ed" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000002" + "00000000" + "d\x00" +
		"070701" + "00000002" + "000081ed" + "00000000" + "00000000" + "00000001" + "00000000" + "00000006" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000004" + "00000000" + "d/f\x00\x00\x00" + "hello\n\x00\x00" +
		"070701" + "00000003" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "0000000b" + "00000000" + "TRAILER!!!\x00\x00\x00\x00"
	if got := out.String(); a.err != nil || got != want {
		t.Errorf("got %v\n%q, want\n%q", a.err, got, want)
	}
}

// entries reads an archive: names and contents.
func entries(t *testing.T, text string) map[string]string {
	t.Helper()
	const length, nameLength, headerSize = 6, 11, 110 // two of the fields, eight digits each
	files := make(map[string]string)
	for {
		field := func(i int) int {
			n, err := strconv.ParseUint(text[6+8*i:14+8*i], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
		nameEnd := headerSize + field(nameLength)
		begin := (nameEnd + 3) &^ 3
		end := begin + field(length)
		name := text[headerSize : nameEnd-1]
		if name == "TRAILER!!!" {
			return files
		}
		files[name] = text[begin:end]
		text = text[(end+3)&^3:]
	}
}

// TestInitrd holds where things are inside.
func TestInitrd(t *testing.T) {
	dir := t.TempDir()
	here := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("this is "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	m := Machine{
		Kernel: Kernel{Modules: []string{here("zebra.ko"), here("ant.ko")}},
		Init:   here("program"),
		Files:  map[string]string{"/umqttd": here("daemon")},
		Args:   []string{"-test.v=true", "-test.run=Open Close"},
	}
	initrd := filepath.Join(dir, "initrd")
	if err := m.writeInitrd(initrd); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(initrd)
	if err != nil {
		t.Fatal(err)
	}
	got := entries(t, string(text))
	for name, want := range map[string]string{
		"init":          "this is program",
		"args":          "-test.v=true\n-test.run=Open Close",
		"umqttd":        "this is daemon",
		"modules/00.ko": "this is zebra.ko",
		"modules/01.ko": "this is ant.ko",
	} {
		if got[name] != want {
			t.Errorf("/%s is %q, want %q", name, got[name], want)
		}
	}
	if _, there := got["proc"]; !there {
		t.Error("there is no /proc to mount something on")
	}
	m.Files["/missing"] = filepath.Join(dir, "missing")
	if err := m.writeInitrd(initrd); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a missing file: got error %v", err)
	}
}

// TestFindKernel finds what install-packages leaves behind, and says what to do if it does not.
func TestFindKernel(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	if _, err := FindKernel(); err == nil || !strings.Contains(err.Error(), "install-packages") {
		t.Errorf("an empty cache: got error %v", err)
	}
	unpacked := filepath.Join(cache, "umqttd-vm", "linux-image-6.1")
	usb := filepath.Join(unpacked, "lib/modules/6.1/kernel/drivers/usb")
	files := []string{filepath.Join(unpacked, "boot/vmlinuz-6.1")}
	for _, name := range modules() {
		files = append(files, filepath.Join(usb, name+".ko"))
	}
	for _, name := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("linux-image-6.1", filepath.Join(cache, "umqttd-vm", "kernel")); err != nil {
		t.Fatal(err)
	}
	k, err := FindKernel()
	if err != nil || k.Package != "linux-image-6.1" || k.Image != files[0] || !slices.Equal(k.Modules, files[1:]) {
		t.Errorf("got %+v, %v", k, err)
	}
	if err := os.Remove(files[3]); err != nil {
		t.Fatal(err)
	}
	if _, err := FindKernel(); err == nil || !strings.Contains(err.Error(), "usbserial.ko") {
		t.Errorf("without a module: got error %v", err)
	}
}
