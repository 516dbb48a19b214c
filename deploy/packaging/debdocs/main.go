// Command debdocs writes the documents that a Debian package holds and that exist here in another form, to standard output.
//
//	debdocs changelog VERSION CHANGELOG.md   the Debian changelog
//	debdocs copyright LICENSE PACKAGE        the copyright file: LICENSE, and those of all modules in the Go program PACKAGE
//	debdocs manual configuration.md          the manual page umqttd.yaml.5
//	debdocs conffile umqttd.yaml             the configuration of a fresh installation, from the annotated example
//
// SOURCE_DATE_EPOCH dates them: what is built now is what is built tomorrow.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	err := run(os.Args[1:], out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "debdocs:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: debdocs changelog VERSION FILE | copyright LICENSE PACKAGE | manual FILE | conffile FILE")

func run(args []string, w io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	switch document, rest := args[0], args[1:]; {
	case document == "changelog" && len(rest) == 2:
		return dated(rest[1], w, func(now time.Time, text string) (string, error) { return changelog(rest[0], now, text) })
	case document == "copyright" && len(rest) == 2:
		modules, err := modulesOf(context.Background(), rest[1])
		if err != nil {
			return err
		}
		return convert(rest[0], w, func(text string) (string, error) { return copyright(text, modules) })
	case document == "manual" && len(rest) == 1:
		return dated(rest[0], w, manual)
	case document == "conffile" && len(rest) == 1:
		return convert(rest[0], w, conffile)
	}
	return errUsage
}

// dated is convert for what has a date in it.
func dated(path string, w io.Writer, f func(time.Time, string) (string, error)) error {
	date, err := sourceDate(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	return convert(path, w, func(text string) (string, error) { return f(date, text) })
}

// convert writes what f makes of a file.
func convert(path string, w io.Writer, f func(string) (string, error)) error {
	text, err := os.ReadFile(path) //nolint:gosec // G703: the file is named by the build
	if err != nil {
		return err
	}
	made, err := f(string(text))
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, made)
	return err
}
