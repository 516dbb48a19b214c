package firmware

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// arduinoFolder is where Debian has Arduino's core for AVR.
const arduinoFolder = "/usr/share/arduino/hardware/arduino/avr"

// cppWarnings are errors wherever C++ is compiled.
var cppWarnings = []string{"-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-DARDUINO=10819"}

// ownStandIns are the flags for code that does without the real core.
var ownStandIns = []string{"-I", "standins/arduino", "-I", sourceFolder}

// hostSanitizers end a program of the host at the first thing that it should not do.
var hostSanitizers = []string{"-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}

// definition is the head of a function at the beginning of a line.
var definition = regexp.MustCompile(`(?m)^((?:static )?[a-z][\w:<>]*[ *&]+\w+\([^;{}]*\)) \{`)

// sketches are the names of the examples for Arduino.
func sketches(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(clientFolder + "/examples/*/*.ino")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	names := make([]string, 0, len(paths))
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".ino")
		if filepath.Base(filepath.Dir(path)) != name {
			t.Errorf("%s: Arduino wants a sketch in a folder of its name", path)
		}
		names = append(names, name)
	}
	return names
}

// translate makes C++ of a sketch as Arduino does: Arduino.h comes first, and before the first function stand the prototypes of all. So a handler may be used above its
// definition, and a type of the sketch's own cannot be in its parameters.
func translate(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(clientFolder, "examples", name, name+".ino"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	heads := definition.FindAllSubmatchIndex(text, -1)
	if len(heads) < 2 {
		t.Fatalf("%s has no setup and loop", path)
	}
	var out strings.Builder
	first := heads[0][0]
	fmt.Fprintf(&out, "#include <Arduino.h>\n#line 1 %q\n%s", path, text[:first])
	for _, head := range heads {
		fmt.Fprintf(&out, "%s;\n", text[head[2]:head[3]])
	}
	fmt.Fprintf(&out, "#line %d %q\n%s", strings.Count(string(text[:first]), "\n")+1, path, text[first:])
	translated := filepath.Join(t.TempDir(), name+".cpp")
	if err := os.WriteFile(translated, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return translated
}

// compileAll compiles files with one call of the compiler and returns the folder of the objects.
func compileAll(t testing.TB, compiler string, flags []string, sources ...string) (objects []string) {
	t.Helper()
	for _, source := range sources {
		object := filepath.Join(t.TempDir(), filepath.Base(source)+".o")
		runTool(t, compiler, append(append([]string{"-c", "-o", object}, flags...), source)...)
		objects = append(objects, object)
	}
	return objects
}

// hostSketch builds a sketch for this machine, with sanitizers. What it finds instead of a board is arduino/host.cpp.
func hostSketch(t testing.TB, name string) string {
	t.Helper()
	return hostArduino(t, translate(t, name), "arduino/host.cpp")
}

// hostArduino links C++ with the client and its class, for this machine.
func hostArduino(t testing.TB, sources ...string) string {
	t.Helper()
	flags := append(append([]string{}, hostSanitizers...), ownStandIns...)
	objects := compileAll(t, "cc", append([]string{"-std=c99"}, flags...), clientSources(t)...)
	flags = append(append(flags, "-std=gnu++11"), cppWarnings...)
	objects = append(objects, compileAll(t, "g++", flags, append(sources, sourceFolder+"/UmqttSerial.cpp")...)...)
	program := filepath.Join(t.TempDir(), "sketch")
	runTool(t, "g++", append(append([]string{"-o", program}, hostSanitizers...), objects...)...)
	return program
}

// TestWrapper runs what can be judged of the class without a gateway: arduino/wrapper.cpp.
func TestWrapper(t *testing.T) {
	t.Parallel()
	if output := runTool(t, hostArduino(t, "arduino/wrapper.cpp")); output != "" {
		t.Error(output)
	}
}

// TestSketches compiles every example as C++ of Arduino's oldest compilers and of new ones, for this machine and for one whose int has 16 bits. None of them is Arduino's:
// the core is standins/arduino, which holds no more than what is documented.
func TestSketches(t *testing.T) {
	t.Parallel()
	for _, name := range sketches(t) {
		source := translate(t, name)
		for _, standard := range []string{"-std=gnu++11", "-std=gnu++20"} {
			flags := append(append([]string{standard}, ownStandIns...), cppWarnings...)
			compileAll(t, "g++", flags, source, sourceFolder+"/UmqttSerial.cpp")
		}
		flags := append(append([]string{"-std=gnu++11", "-mmcu=atmega2560"}, ownStandIns...), cppWarnings...)
		compileAll(t, "avr-g++", flags, source, sourceFolder+"/UmqttSerial.cpp")
	}
}

// uno and mega are the boards whose real core the examples are linked with.
var (
	mega = arduinoBoard{mcu: "atmega2560", variant: "mega", define: "ARDUINO_AVR_MEGA2560", memory: 8192}
	uno  = arduinoBoard{mcu: "atmega328p", variant: "standard", define: "ARDUINO_AVR_UNO", memory: 2048}
)

// arduinoBoard is a board of Arduino's core for AVR.
type arduinoBoard struct {
	mcu, variant, define string
	memory               int // bytes of RAM
}

// core is what every sketch needs of Arduino's core. The rest of it is for USB, String and tones.
var core = []string{
	"wiring.c", "wiring_digital.c", "wiring_analog.c", "hooks.c",
	"main.cpp", "Print.cpp", "HardwareSerial.cpp", "HardwareSerial0.cpp", "HardwareSerial1.cpp", "new.cpp", "abi.cpp",
}

// link builds a sketch with the real core, as Arduino does, and returns the path of the image.
func (b arduinoBoard) link(t testing.TB, name string, more ...string) string {
	t.Helper()
	coreFolder := filepath.Join(arduinoFolder, "cores", "arduino")
	flags := []string{
		"-mmcu=" + b.mcu, "-DF_CPU=16000000L", "-D" + b.define, "-DARDUINO_ARCH_AVR", "-Os", "-ffunction-sections", "-fdata-sections",
		"-I", coreFolder, "-I", filepath.Join(arduinoFolder, "variants", b.variant), "-I", sourceFolder,
	}
	var c, cpp []string
	for _, file := range core {
		if path := filepath.Join(coreFolder, file); filepath.Ext(file) == ".c" {
			c = append(c, path)
		} else {
			cpp = append(cpp, path)
		}
	}
	cppFlags := append([]string{"-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics"}, flags...)
	objects := compileAll(t, "avr-gcc", append([]string{"-std=gnu11", "-w", "-DARDUINO=10819"}, flags...), c...)
	objects = append(objects, compileAll(t, "avr-g++", append([]string{"-w", "-DARDUINO=10819"}, cppFlags...), cpp...)...)
	objects = append(objects, compileAll(t, "avr-gcc", append(append([]string{"-std=gnu11", "-DARDUINO=10819"}, flags...), warnings...), append(clientSources(t), more...)...)...)
	objects = append(objects, compileAll(t, "avr-g++", append(cppFlags, "-Wall", "-Wextra", "-Werror", "-DARDUINO=10819"), translate(t, name), sourceFolder+"/UmqttSerial.cpp")...)
	path := filepath.Join(t.TempDir(), name+".elf")
	runTool(t, "avr-gcc", append([]string{"-mmcu=" + b.mcu, "-Os", "-Wl,--gc-sections", "-o", path}, objects...)...)
	return path
}

// TestCore links the examples that are for every board with Arduino's real core, and looks how much memory they leave for the stack.
func TestCore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		board  arduinoBoard
		sketch string
		spare  int // bytes; README.md promises those of an Uno
	}{{mega, "PublishSensor", 7000}, {mega, "CommandHandler", 7000}, {uno, "CommandHandler", 1100}} {
		t.Run(c.board.variant+"/"+c.sketch, func(t *testing.T) {
			var text, data, bss int
			lines := strings.Split(runTool(t, "avr-size", c.board.link(t, c.sketch)), "\n")
			if _, err := fmt.Sscan(lines[1], &text, &data, &bss); err != nil {
				t.Fatalf("%q: %v", lines[1], err)
			}
			t.Logf("%d bytes of text, %d of RAM", text, data+bss)
			if left := c.board.memory - data - bss; left < c.spare {
				t.Errorf("%d bytes are left for the stack, want %d", left, c.spare)
			}
		})
	}
}
