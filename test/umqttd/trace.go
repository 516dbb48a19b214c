package umqttd

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Call is one system call of the program.
type Call struct {
	Name   string
	File   string // what its first argument is open on, if that is a descriptor; what it opens, if it does that
	Data   []byte // what it writes
	Flags  string // of an open
	Result int    // -1: an error, or no end was seen
	// Entered and Returned say where in the order of all that happened it began and ended: a call whose Entered is greater than another's Returned began after the
	// other had ended. Returned is 0 if no end was seen.
	Entered, Returned int
}

// Trace is the list of the program's system calls, seen from outside by strace.
type Trace struct {
	t    testing.TB
	file string
}

// StartTraced is Start with a Trace of the calls that are named, in strace's words.
func StartTraced(t testing.TB, program, config, calls string) (*Gateway, *Trace) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("umqttd: %v; on Debian, Raspberry Pi OS and Ubuntu: apt-get install strace", err)
	}
	trace := &Trace{t: t, file: filepath.Join(t.TempDir(), "trace")}
	// With -D it is strace that is the child, and not the program: that is signalled, waited for and killed as ever.
	return start(t, []string{strace, "-D", "-f", "-q", "-y", "-xx", "-s", "100000", "-e", "signal=none", "-e", "trace=" + calls, "-o", trace.file, program}, config), trace
}

// Calls returns what strace saw. The program must have ended, and all its runs are in it only if there was one.
func (r *Trace) Calls() []Call {
	r.t.Helper()
	file, err := os.Open(r.file)
	if err != nil {
		r.t.Fatalf("umqttd: %v", err)
	}
	defer func() { _ = file.Close() }()
	calls, err := parseTrace(file)
	if err != nil {
		r.t.Fatalf("umqttd: strace: %v", err)
	}
	return calls
}

// parseTrace reads what strace -f -y -xx writes. A call that another thread's words interrupt has two lines:
//
//	17 fdatasync(9<\x2f\x74> <unfinished ...>
//	18 write(5<\x2f\x75>, "\x61", 1) = 1
//	17 <... fdatasync resumed>) = 0
func parseTrace(r io.Reader) ([]Call, error) {
	var calls []Call
	open := make(map[string]int) // thread to its call that has not ended
	lines := bufio.NewReaderSize(r, 1<<20)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return calls, nil
		}
		if err != nil {
			return nil, err
		}
		thread, words, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		words = strings.TrimSpace(words)
		switch {
		case strings.HasPrefix(words, "+++"), strings.HasPrefix(words, "---"):
			continue
		case strings.HasPrefix(words, "<..."):
			i, ok := open[thread]
			if !ok {
				return nil, fmt.Errorf("line %d ends what did not begin: %s", number, words)
			}
			delete(open, thread)
			if !cutShort(words) {
				calls[i].Returned, calls[i].Result = number, result(words)
			}
			continue
		}
		call, err := parseCall(words)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		call.Entered, call.Result = number, -1
		switch {
		case strings.HasSuffix(words, "<unfinished ...>"):
			open[thread] = len(calls)
		case !cutShort(words):
			call.Returned, call.Result = number, result(words)
		}
		calls = append(calls, call)
	}
}

// cutShort tells whether the program was killed within the call: what that did nobody knows.
func cutShort(words string) bool { return strings.HasSuffix(words, " = ?") }

// result returns what stands behind the equals sign.
func result(words string) int {
	_, text, _ := cutLast(words, " = ")
	text = strings.TrimSpace(text)
	if i := strings.IndexAny(text, " <"); i >= 0 {
		text = text[:i]
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// parseCall reads name and arguments. As strings and paths are in hexadecimal, quotes and angle brackets mean what they seem to.
func parseCall(words string) (Call, error) {
	name, arguments, ok := strings.Cut(words, "(")
	if !ok {
		return Call{}, fmt.Errorf("no call: %s", words)
	}
	c := Call{Name: name}
	rest := arguments
	if before, after, found := strings.Cut(arguments, "<"); found && !strings.ContainsAny(before, `",`) {
		path, behind, _ := strings.Cut(after, ">")
		file, err := unhex(path)
		if err != nil {
			return Call{}, err
		}
		c.File, rest = string(file), behind
	}
	for {
		_, after, found := strings.Cut(rest, `"`)
		if !found {
			break
		}
		text, behind, closed := strings.Cut(after, `"`)
		if !closed || strings.HasPrefix(behind, "...") {
			return Call{}, fmt.Errorf("a string is cut off: %.80s", words)
		}
		data, err := unhex(text)
		if err != nil {
			return Call{}, err
		}
		c.Data = append(c.Data, data...)
		rest = behind
	}
	if strings.HasPrefix(name, "open") {
		c.File, c.Data, c.Flags = string(c.Data), nil, rest
	}
	return c, nil
}

// unhex reads \x2f\x74.
func unhex(text string) ([]byte, error) { return hex.DecodeString(strings.ReplaceAll(text, `\x`, "")) }
