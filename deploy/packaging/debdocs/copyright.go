package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A module whose code is in the program, or the standard library.
type module struct {
	path, version string
	license       string // the text of all its licence files
}

// modulesOf lists the modules that a Go program is linked from, by path. What `go list` calls dependencies depends on GOOS and GOARCH; Linux on all of
// them is asked for, so that every architecture has the same file.
func modulesOf(ctx context.Context, program string) ([]module, error) {
	dirs := map[string]string{} // of "path version"
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		list := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Standard,Module", program) //nolint:gosec // G204: the program is named by the build
		list.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0", "GOARCH="+arch)
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if err := addModules(dirs, out); err != nil {
			return nil, err
		}
	}
	env := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION")
	out, err := env.Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	goroot, goversion, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	dirs["go "+goversion] = goroot
	var modules []module
	for name, dir := range dirs {
		path, version, _ := strings.Cut(name, " ")
		text, err := licenses(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		modules = append(modules, module{path, version, text})
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return modules, nil
}

// addModules reads what `go list -json` printed.
func addModules(dirs map[string]string, listed []byte) error {
	decoder := json.NewDecoder(strings.NewReader(string(listed)))
	for {
		var p struct {
			Standard bool
			Module   *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		if p.Module != nil && !p.Module.Main {
			dirs[p.Module.Path+" "+p.Module.Version] = p.Module.Dir
		}
	}
}

// licenses returns the texts of the licence files in a folder.
func licenses(dir string) (string, error) {
	var texts []string
	for _, pattern := range []string{"LICENSE*", "LICENCE*", "COPYING*", "NOTICE*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		for _, file := range files {
			text, err := os.ReadFile(file) //nolint:gosec // G703: the folder is of the module cache
			if err != nil {
				return "", err
			}
			texts = append(texts, shorten(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))))
		}
	}
	if texts == nil {
		return "", errors.New("no licence found")
	}
	return strings.Join(texts, "\n\n"), nil
}

// shorten replaces the text of the Apache licence, which every Debian system has.
func shorten(license string) string {
	if strings.Contains(license, "Apache License") && strings.Contains(license, "TERMS AND CONDITIONS FOR USE") {
		return "Apache License, Version 2.0. On Debian systems its text is in\n/usr/share/common-licenses/Apache-2.0."
	}
	return license
}

// copyright returns the copyright file of the package: our licence, and those of what is linked into the program.
func copyright(license string, modules []module) (string, error) {
	if len(modules) == 0 {
		return "", errors.New("no module is linked, which is not so")
	}
	var b strings.Builder
	b.WriteString("umqttd, https://github.com/umqttd/umqttd\n\n" + strings.TrimSpace(license) + "\n")
	b.WriteString("\nThe program /usr/bin/umqttd holds code of these modules as well.\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "\n%s\n%s %s\n\n%s\n", strings.Repeat("-", 78), m.path, m.version, m.license)
	}
	return b.String(), nil
}
