package firmware

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	glueFolder    = clientFolder + "/port/esp-idf"
	espIDFExample = clientFolder + "/examples/esp-idf"
	espIDFStandIn = "standins/esp-idf"
)

// espIDFWarnings are errors where the component is compiled.
var espIDFWarnings = append(append([]string{}, warnings...), "-I", espIDFStandIn+"/include", "-I", sourceFolder, "-I", glueFolder, "-DESP_PLATFORM=1")

// buildESPIDF builds a project for this machine as it is shipped: CMake reads its CMakeLists.txt and the component's. ESP-IDF is standins/esp-idf.
func buildESPIDF(t testing.TB, project string) string {
	t.Helper()
	standIn, err := filepath.Abs(espIDFStandIn)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	flags := append([]string{"-std=gnu17"}, append(append([]string{}, warnings...), hostSanitizers...)...)
	for _, args := range [][]string{{"-S", project, "-B", dir, "-DCMAKE_C_FLAGS=" + strings.Join(flags, " ")}, {"--build", dir}} {
		command := exec.Command("cmake", args...)
		command.Env = append(os.Environ(), "IDF_PATH="+standIn)
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("cmake, which test/firmware/install-packages brings: %v\n%s", err, output)
		}
	}
	return filepath.Join(dir, "lamp")
}

// TestESPIDF runs the example for ESP-IDF whole, on a line that loses frames, with the gateway killed in between.
func TestESPIDF(t *testing.T) {
	t.Parallel()
	r := newLine(t, "max_frame: 250, rx_buffer: 1024", "lamp/state")
	r.splice.Disturb(lossy, lossy)
	board := start(t, buildESPIDF(t, espIDFExample), r.splice.BoardPath())
	r.switchLamp(func() {
		r.gateway.Kill()
		r.gateway.Restart()
	})
	board.wait("lamp: connected", 2)
	board.wait("gpio 8 level 1", 2)
	board.wait("gpio 8 level 0", 1)
}

// TestESPIDFProject builds the example as a project of somebody's own, elsewhere, with what is packed of the component in its folder components.
func TestESPIDFProject(t *testing.T) {
	t.Parallel()
	_, excluded, _ := strings.Cut(clientFile(t, "idf_component.yml"), "  exclude:\n")
	var skip []string
	for _, pattern := range regexp.MustCompile(`(?m)^    - "(\w+)(?:/\*\*/\*)?"$`).FindAllStringSubmatch(excluded, -1) {
		skip = append(skip, pattern[1])
	}
	project := t.TempDir()
	copyAll(t, project, espIDFExample, nil)
	copyAll(t, filepath.Join(project, "components", "umqtt_serial"), clientFolder, skip)
	buildESPIDF(t, project)
}

// copyAll copies what is in a folder, but for some of it.
func copyAll(t testing.TB, to, from string, skip []string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if slices.Contains(skip, entry.Name()) {
			continue
		}
		path := filepath.Join(from, entry.Name())
		if entry.IsDir() {
			err = os.CopyFS(filepath.Join(to, entry.Name()), os.DirFS(path))
		} else {
			var text []byte
			if text, err = os.ReadFile(path); err == nil {
				err = os.MkdirAll(to, 0o700)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(to, entry.Name()), text, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestESPIDFGlue goes through the glue's own calls: esp-idf/glue.c.
func TestESPIDFGlue(t *testing.T) {
	t.Parallel()
	r := newLine(t, "max_frame: 250", "glue/#")
	flags := append(append([]string{"-std=gnu17"}, espIDFWarnings...), hostSanitizers...)
	sources := append(clientSources(t), glueFolder+"/umqtt_esp_uart.c", espIDFStandIn+"/host.c", "esp-idf/glue.c")
	program := filepath.Join(t.TempDir(), "glue")
	runTool(t, "cc", append(append([]string{"-o", program}, flags...), sources...)...)
	r.splice.Pace(19200) // byte by byte
	board := start(t, program, r.splice.BoardPath())
	board.wantEnd()
	for _, line := range board.written() {
		t.Error(line)
	}
}

// TestLint holds glue and class to what the client is held to.
func TestLint(t *testing.T) {
	t.Parallel()
	flags := []string{"-std=c99", "-I", espIDFStandIn + "/include", "-I", sourceFolder, "-I", glueFolder}
	runTool(t, "clang-tidy", append([]string{"--quiet", glueFolder + "/umqtt_esp_uart.c", "--"}, flags...)...)
	runTool(t, "clang-tidy", append([]string{"--quiet", sourceFolder + "/UmqttSerial.cpp", "--", "-std=gnu++11", "-DARDUINO=10819"}, ownStandIns...)...)
	runTool(t, "clang", append([]string{"-Weverything", "-Werror", "-Wno-padded", "-fsyntax-only", glueFolder + "/umqtt_esp_uart.c"}, flags...)...)
}

// TestESPIDFCompiles compiles glue and example for the ESP32-C3's instruction set, and the header as C++.
func TestESPIDFCompiles(t *testing.T) {
	t.Parallel()
	c := toolchainFor(t, "rv32imc")
	for _, source := range []string{glueFolder + "/umqtt_esp_uart.c", espIDFExample + "/main/main.c"} {
		t.Logf("%s\n%s", source, c.tool(t, "size", c.compile(t, source, espIDFWarnings...)))
	}
	program := filepath.Join(t.TempDir(), "header.cpp")
	if err := os.WriteFile(program, []byte("#include \"umqtt_esp_uart.h\"\numqtt_esp_uart_config line = UMQTT_ESP_UART_DEFAULT;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	compileAll(t, "g++", []string{"-std=gnu++20", "-Wall", "-Wextra", "-Werror", "-I", espIDFStandIn + "/include", "-I", sourceFolder, "-I", glueFolder}, program)
}
