package firmware

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Folders of the repository, seen from here.
const (
	clientFolder = "../../clients/c"
	sourceFolder = clientFolder + "/src"
)

// toolchain is a cross compiler with the flags of one instruction set.
type toolchain struct {
	name     string
	prefix   string   // of the compiler's and binutils' names
	machine  []string // flags that choose the instruction set
	standard []string // flags that a libc's headers or their absence make necessary
}

// toolchains are what the client is compiled for. Each is that of a board people have: ESP32-C3, Raspberry Pi Pico, Nucleo and Teensy, ESP8266, Arduino Mega.
var toolchains = []toolchain{
	{"rv32imc", "riscv64-unknown-elf-", []string{"-march=rv32imc", "-mabi=ilp32", "-mcmodel=medany"}, []string{"-std=c99", "-ffreestanding", "-isystem", "boards/freestanding"}},
	{"cortex-m0plus", "arm-none-eabi-", []string{"-mcpu=cortex-m0plus", "-mthumb"}, []string{"-std=c99", "-ffreestanding", "-isystem", "boards/freestanding"}},
	{"cortex-m4", "arm-none-eabi-", []string{"-mcpu=cortex-m4", "-mthumb"}, []string{"-std=c99", "-ffreestanding", "-isystem", "boards/freestanding"}},
	{"lx106", "xtensa-lx106-elf-", nil, []string{"-std=c99", "-ffreestanding", "-isystem", "boards/freestanding"}},
	{"avr", "avr-", []string{"-mmcu=atmega2560", "-DF_CPU=16000000UL"}, []string{"-std=c99"}},
}

// warnings are errors on every target.
var warnings = []string{"-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wundef", "-Werror"}

// sized is how firmware is compiled that has to be small.
var sized = []string{"-Os", "-ffunction-sections", "-fdata-sections"}

func toolchainFor(t testing.TB, name string) toolchain {
	t.Helper()
	for _, c := range toolchains {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("there is no toolchain %s", name)
	return toolchain{}
}

// tool runs one program of the toolchain to its end and returns what it printed.
func (c toolchain) tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	return runTool(t, c.prefix+name, args...)
}

func runTool(t testing.TB, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; on Debian, Raspberry Pi OS and Ubuntu: test/firmware/install-packages", err)
	}
	var output, complaints strings.Builder
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = &output, &complaints
	if err := command.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, complaints.String())
	}
	return output.String()
}

// compile compiles one file and returns the object's path.
func (c toolchain) compile(t testing.TB, source string, flags ...string) string {
	t.Helper()
	object := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))+".o")
	c.tool(t, "gcc", c.arguments([]string{"-c", "-o", object}, flags, []string{source})...)
	return object
}

func (c toolchain) arguments(more ...[]string) []string {
	all := append(append(append([]string{}, c.machine...), c.standard...), sized...)
	all = append(all, warnings...)
	for _, m := range more {
		all = append(all, m...)
	}
	return all
}

// clientSources are the C files of the client.
func clientSources(t testing.TB) []string {
	t.Helper()
	sources, err := filepath.Glob(sourceFolder + "/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("%s has no C files: %v", sourceFolder, err)
	}
	return sources
}

// machine files, and what links them.
var link = map[string][]string{
	"rv32imc": {"boards/virt.S", "boards/virt.c", "-ffreestanding", "-nostdlib", "-T", "boards/virt.ld", "-Wl,--no-warn-rwx-segments", "-lgcc"},
	"avr":     {"boards/mega2560.c"},
}

// image links a firmware for one of the machines that QEMU has and returns its path.
func image(t testing.TB, target string, sources ...string) string {
	t.Helper()
	c := toolchainFor(t, target)
	path := filepath.Join(t.TempDir(), target+".elf")
	flags := []string{"-Wl,--gc-sections", "-I", "boards", "-I", sourceFolder, "-o", path, "boards/number.c"}
	c.tool(t, "gcc", c.arguments(flags, sources, link[target])...)
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Fatalf("%s: %v", path, err)
	}
	return path
}
