package house

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxLines is where a file stops. Most have 150.
const maxLines = 600

// nameless are names that say nothing of what is in a file or package.
var nameless = []string{"common", "helper", "helpers", "misc", "shared", "types", "util", "utils"}

// TestFilesStaySmall holds that a file can be read in one go.
func TestFilesStaySmall(t *testing.T) {
	for _, p := range ownPackages(t) {
		for _, path := range p.files() {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(text, []byte("\n")); n > maxLines {
				t.Errorf("%s has %d lines; split it by nouns", path, n)
			}
		}
	}
}

// TestFilesAreNamedAfterNouns refuses drawers for everything.
func TestFilesAreNamedAfterNouns(t *testing.T) {
	for _, p := range ownPackages(t) {
		if slices.Contains(nameless, filepath.Base(p.name())) {
			t.Errorf("package %s: a name that says nothing", p.name())
		}
		for _, path := range p.files() {
			noun := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".go"), "_test")
			if slices.Contains(nameless, noun) {
				t.Errorf("%s: a name that says nothing", path)
			}
		}
	}
}

// TestPackagesAreDocumented holds that each package says what it is for.
func TestPackagesAreDocumented(t *testing.T) {
	for _, p := range ownPackages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("package %s has no package comment", p.name())
		}
	}
}
