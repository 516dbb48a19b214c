package firmware

import (
	"os"
	"os/exec"
	"path/filepath"
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

// buildESPIDF builds the example's whole project for this machine, as it is shipped: CMake reads its CMakeLists.txt and the component's. ESP-IDF is standins/esp-idf.
func buildESPIDF(t testing.TB) string {
	t.Helper()
	standIn, err := filepath.Abs(espIDFStandIn)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	flags := append([]string{"-std=gnu17"}, append(append([]string{}, warnings...), hostSanitizers...)...)
	for _, args := range [][]string{{"-S", espIDFExample, "-B", dir, "-DCMAKE_C_FLAGS=" + strings.Join(flags, " ")}, {"--build", dir}} {
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
	board := start(t, buildESPIDF(t), r.splice.BoardPath())
	r.switchLamp(func() {
		r.gateway.Kill()
		r.gateway.Restart()
	})
	board.wait("lamp: connected", 2)
	board.wait("gpio 8 level 1", 2)
	board.wait("gpio 8 level 0", 1)
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
