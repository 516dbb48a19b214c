package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxFileSize bounds one YAML file, in bytes: a thousand devices fit.
const maxFileSize = 1 << 20

// Load reads the configuration at path with the device files beside it. Variables
// come from env, or from the environment of the process if env is nil.
//
// The error is [Faults], all of them, and then there is no Config. What can be used
// but should be mended is in the warnings, with or without an error.
func Load(path string, env func(string) (string, bool)) (*Config, []Warning, error) {
	data, wrong, write := readFile(path)
	if wrong != "" {
		return nil, nil, Faults{{File: path, Wrong: wrong, Write: write}}
	}
	return Parse(path, data, env)
}

// Parse is Load for a main file that has been read already. Its name stands in
// the messages, and its folder is where relative file names start.
func Parse(name string, data []byte, env func(string) (string, bool)) (*Config, []Warning, error) {
	if env == nil {
		env = os.LookupEnv
	}
	d := &decoder{env: env, given: make(map[any]place), refused: make(map[any]bool)}
	src := &source{name: name, dir: filepath.Dir(name)}
	c := &Config{Files: []string{name}}
	c.SetDefaults()
	var devices []*Device
	top := place{src: src}
	d.given[c] = top
	if root := d.parse(src, data); root != nil {
		top.line = root.Line
		d.decode(rootSection(c, &devices), top, root)
	}
	devices = append(devices, d.devicesDir(c, src)...)
	if !d.gaveUp { // else the half that was seen would look wrong
		d.check(c, devices)
	}
	for _, dev := range devices {
		c.Devices = append(c.Devices, *dev)
	}
	var warnings []Warning
	for _, w := range sorted(d.warnings) {
		warnings = append(warnings, Warning(w))
	}
	if len(d.faults) > 0 {
		return nil, warnings, Faults(sorted(d.faults))
	}
	return c, warnings, nil
}

// readFile reads a YAML file, or says why not.
func readFile(path string) (data []byte, wrong, write string) {
	f, err := os.Open(path)
	if err != nil {
		wrong, write = whyNot(err)
		return nil, wrong, write
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, maxFileSize+1))
	switch {
	case err != nil:
		wrong, write = whyNot(err)
	case len(data) > maxFileSize:
		wrong = "is larger than 1 MiB"
	}
	return data, wrong, write
}

// readRegular is readFile for what must be a file: a named pipe would be waited for,
// maybe for ever.
func readRegular(path string) (data []byte, wrong, write string) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, "is no file", "write the name of a file"
	}
	return readFile(path)
}

// whyNot says in a few words why a file cannot be read.
func whyNot(err error) (wrong, write string) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file", "write the name of a file that exists"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied", "let the user that umqttd runs as read it"
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return "cannot be read: " + err.Error(), ""
}

// parse returns the top node of a file, or nil if there is nothing in it.
func (d *decoder) parse(src *source, data []byte) *yaml.Node {
	if !utf8.Valid(data) {
		d.fault(place{src: src, line: 1 + bytes.Count(data[:firstInvalid(data)], []byte("\n"))}, "is not UTF-8 text", "save it as UTF-8")
		return nil
	}
	lines := &lineReader{rest: data}
	decoder := yaml.NewDecoder(lines)
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if !errors.Is(err, io.EOF) {
			d.syntaxFault(src, data, lines.read, err)
		}
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		d.fault(place{src: src, line: second.Line}, "a second document begins", "remove the line --- and what follows")
	} else if !errors.Is(err, io.EOF) {
		d.syntaxFault(src, data, lines.read, err)
	}
	return document.Content[0]
}

// firstInvalid is the offset of the first byte that is not UTF-8.
func firstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(data)
}

// A lineReader hands out one line at a time, and counts them.
type lineReader struct {
	rest []byte
	read int
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	line, _, _ := bytes.Cut(r.rest, []byte("\n"))
	n := copy(p, r.rest[:min(len(line)+1, len(r.rest))])
	if n > len(line) || n == len(r.rest) {
		r.read++
	}
	r.rest = r.rest[n:]
	return n, nil
}

var (
	yamlLine   = regexp.MustCompile(`^line ([0-9]+): `)
	yamlAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
)

// syntaxFault reports what the YAML parser says. It says a line, but of an unknown
// anchor none, and of a broken list or mapping the first one: then it is better to
// look where the parser stopped reading.
func (d *decoder) syntaxFault(src *source, data []byte, read int, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := place{src: src, line: 1} // it never says line 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		at.line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	} else if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		before, _, _ := bytes.Cut(data, []byte("*"+m[1]))
		at.line = 1 + bytes.Count(before, []byte("\n"))
	}
	if strings.HasPrefix(text, "did not find expected") {
		at.line = read
	}
	write := "mind the indentation, and put quotes around text with special characters"
	if strings.Contains(text, "cannot start any token") {
		write = "indent with spaces, not tabs, and put quotes around text with special characters"
	}
	d.fault(at, "is no YAML: "+text, write)
}
