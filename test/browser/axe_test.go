package browser

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// axe is the script of axe-core, as install has brought it.
var axe = sync.OnceValues(func() (string, error) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		return "", err
	}
	folder := filepath.Join("..", "..", ".tools", fmt.Sprintf("browser-%.6x", sha256.Sum256(lock)))
	script, err := os.ReadFile(filepath.Join(folder, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("%w; run %s", err, install)
	}
	return string(script), nil
})

// violation is a rule of axe-core that the page breaks, and where.
type violation struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// violations asks axe-core what is wrong with the page. All its rules are on, best practices included.
func (w *window) violations() []violation {
	w.t.Helper()
	script, err := axe()
	if err != nil {
		w.t.Fatalf("browser: axe-core: %v", err)
	}
	if !eval[bool](w, "'axe' in window") {
		eval[bool](w, script+"; true")
	}
	return eval[[]violation](w, `axe.run({resultTypes: ["violations"]}).then(r => {
		if (r.passes.length < 10) throw new Error("axe-core has looked at " + r.passes.length + " rules only");
		return r.violations.map(v => ({ID: v.id, Help: v.help, Nodes: v.nodes.map(n => ({HTML: n.html, FailureSummary: n.failureSummary}))}));
	})`)
}

// wantAccessible fails the test for each violation.
func (w *window) wantAccessible(where string) {
	w.t.Helper()
	for _, v := range w.violations() {
		for _, n := range v.Nodes {
			w.t.Errorf("%s: %s (%s): %s\n%s", where, v.Help, v.ID, strings.ReplaceAll(n.FailureSummary, "\n", " "), n.HTML)
		}
	}
}
