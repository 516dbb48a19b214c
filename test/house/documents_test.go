package house

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/daemon/config"
)

// documents are the paths of the repository's Markdown files.
func documents(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)|src="([^"]+)"`)
	heading   = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	fenced    = regexp.MustCompile("(?ms)^```.*?^```$")
	yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	inline    = regexp.MustCompile("`[^`\n]*`")
	unslug    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// links returns where a document leads inside the repository.
func links(text string) []string {
	text = inline.ReplaceAllString(fenced.ReplaceAllString(text, ""), "")
	var targets []string
	for _, match := range link.FindAllStringSubmatch(text, -1) {
		if target := match[1] + match[2]; !strings.Contains(target, "://") {
			targets = append(targets, target)
		}
	}
	return targets
}

// anchors returns the names that GitHub gives to a document's headings.
func anchors(text string) map[string]bool {
	names := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := unslug.ReplaceAllString(strings.ToLower(match[1]), "")
		names[strings.ReplaceAll(name, " ", "-")] = true
	}
	return names
}

// TestLinksLeadSomewhere follows every link inside the repository, to the heading.
func TestLinksLeadSomewhere(t *testing.T) {
	followed := 0
	for _, document := range documents(t) {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range links(string(text)) {
			followed++
			path, anchor, _ := strings.Cut(target, "#")
			goal := document
			if path != "" {
				goal = filepath.Join(filepath.Dir(document), path)
			}
			there, err := os.ReadFile(goal)
			if errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s does not exist", document, target)
			}
			if anchor != "" && !anchors(string(there))[anchor] {
				t.Errorf("%s: no heading for %s", document, target)
			}
		}
	}
	if followed == 0 {
		t.Error("no document has a link; this test looks in the wrong place")
	}
}

// TestLinks shows that a link is found, and what only looks like one is not.
func TestLinks(t *testing.T) {
	got := strings.Join(links("[a](b.md#c) `[x](y)` <img src=\"d.svg\"> [w](https://example.org)\n```\n[x](y)\n```\n"), " ")
	if want := "b.md#c d.svg"; got != want {
		t.Errorf("links: got %q, want %q", got, want)
	}
	if !anchors("## 3.2 The `frame`, and more\n")["32-the-frame-and-more"] {
		t.Error("anchors: a heading's name is not GitHub's")
	}
}

// TestConfigurationInReadme holds that what a reader copies first works.
func TestConfigurationInReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := yamlBlock.FindAllSubmatch(text, -1)
	if len(examples) == 0 {
		t.Error("README.md has no configuration")
	}
	for _, example := range examples {
		nothingSet := func(string) (string, bool) { return "", false }
		if _, warnings, err := config.Parse("README.md", example[1], nothingSet); err != nil || len(warnings) > 0 {
			t.Errorf("the configuration in README.md: %v %v", err, warnings)
		}
	}
}

// TestDependenciesHaveReasons holds that docs/adr says of every module that is
// required directly why it is.
func TestDependenciesHaveReasons(t *testing.T) {
	var reasons strings.Builder
	for _, document := range documents(t) {
		if filepath.Base(filepath.Dir(document)) == "adr" {
			text, err := os.ReadFile(document)
			if err != nil {
				t.Fatal(err)
			}
			reasons.WriteString(string(text))
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "v") {
			continue
		}
		direct++
		if !strings.Contains(reasons.String(), fields[0]) {
			t.Errorf("no file in docs/adr says why %s is needed", fields[0])
		}
	}
	if direct == 0 {
		t.Error("go.mod requires nothing directly; run go mod tidy")
	}
}
