package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

// TestNobodySleeps holds that a test waits for what it waits for. Time passes by
// sleeping only inside the bubbles of testing/synctest, where it costs nothing. Code
// that is shipped never sleeps: golangci-lint holds that.
func TestNobodySleeps(t *testing.T) {
	for _, p := range ownPackages(t) {
		var sleeps []string
		bubbles := false
		for _, path := range p.files() {
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			bubbles = bubbles || imports(file, "testing/synctest")
			ast.Inspect(file, func(node ast.Node) bool {
				if call, ok := node.(*ast.SelectorExpr); ok && call.Sel.Name == "Sleep" {
					if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "time" {
						sleeps = append(sleeps, files.Position(call.Pos()).String())
					}
				}
				return true
			})
		}
		if !bubbles {
			for _, place := range sleeps {
				t.Errorf("%s: time.Sleep in a package without testing/synctest", place)
			}
		}
	}
}

// imports reports whether the file imports path.
func imports(file *ast.File, path string) bool {
	for _, spec := range file.Imports {
		if got, err := strconv.Unquote(spec.Path.Value); err == nil && got == path {
			return true
		}
	}
	return false
}
