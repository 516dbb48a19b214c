// Package cclient runs boards whose program is the C client, compiled for this machine with AddressSanitizer and UndefinedBehaviorSanitizer.
//
//	program, err := cclient.Build(dir)        // once, in TestMain
//
//	s := cable.NewSplice(t, line)
//	b := cclient.Start(t, program, s.BoardPath(), "id=m5", "keepalive=5")
//	b.Connect()
//	b.Do("sub 1 to/+")
//	b.Send("pub 1 0 up/m5 21.5")
//	b.Wait("published", 1)
//	b.Kill()                                  // and Start is a reboot
//
// The board's program is board/board.c, which says what commands there are. What a sanitizer finds ends it, and fails the test.
package cclient

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

var (
	// strict is what C code of this project is held to.
	strict = []string{"-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror"}
	// sanitize makes a program that ends at the first thing it should not do.
	sanitize = []string{"-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
)

// Folder returns where the C client is.
func Folder() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("cclient: where is the module: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "clients", "c"), nil
}

// Build compiles the board's program into dir and returns its path.
func Build(dir string) (string, error) {
	client, err := Folder()
	if err != nil {
		return "", err
	}
	sources, err := filepath.Glob(filepath.Join(client, "src", "*.c"))
	if err != nil {
		return "", fmt.Errorf("cclient: %w", err)
	}
	program := filepath.Join(dir, "board")
	args := append(append([]string{"-o", program, "-I", filepath.Join(client, "src")}, strict...), sanitize...)
	args = append(args, filepath.Join(client, "..", "..", "test", "cclient", "board", "board.c"))
	if output, err := exec.Command("cc", append(args, sources...)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cclient: cc, which on Debian is of gcc and libc6-dev: %w\n%s", err, output)
	}
	return program, nil
}
