package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// module is the import path of the repository.
const module = "github.com/umqttd/umqttd"

// root is the repository's folder, seen from this package.
const root = "../.."

// goPackage is what `go list -json` says of one package.
type goPackage struct {
	ImportPath   string
	Dir          string
	Doc          string
	Standard     bool
	Imports      []string // without those of tests
	Deps         []string // all of them, transitively
	CgoFiles     []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
}

// name is the package's path inside the module: "devices/port".
func (p *goPackage) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// files are the paths of its Go files, those of tests included.
func (p *goPackage) files() []string {
	var paths []string
	for _, list := range [][]string{p.GoFiles, p.CgoFiles, p.TestGoFiles, p.XTestGoFiles} {
		for _, name := range list {
			paths = append(paths, filepath.Join(p.Dir, name))
		}
	}
	return paths
}

// list is `go list`, run once for all tests. Cgo is on, so that what would use it shows.
var list = sync.OnceValues(func() ([]*goPackage, error) {
	fields := "ImportPath,Dir,Doc,Standard,Imports,Deps,CgoFiles,GoFiles,TestGoFiles,XTestGoFiles"
	command := exec.Command("go", "list", "-deps", "-json="+fields, "./...")
	command.Dir = root
	command.Env = append(command.Environ(), "CGO_ENABLED=1")
	out, err := command.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, errors.New(string(exit.Stderr))
	}
	if err != nil {
		return nil, err
	}
	var packages []*goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := new(goPackage)
		if err := decoder.Decode(p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
})

// allPackages returns every package that the module is built of.
func allPackages(t *testing.T) []*goPackage {
	t.Helper()
	packages, err := list()
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// ownPackages returns those of the module itself.
func ownPackages(t *testing.T) []*goPackage {
	t.Helper()
	var own []*goPackage
	for _, p := range allPackages(t) {
		if p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/") {
			own = append(own, p)
		}
	}
	if len(own) < 10 {
		t.Fatalf("go list finds %d packages of %s; the tests of this package would prove nothing", len(own), module)
	}
	return own
}

// isIn reports whether the package name is folder or lies below it.
func isIn(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

// isInAny reports whether the package name is or lies below one of folders.
func isInAny(name string, folders []string) bool {
	for _, folder := range folders {
		if isIn(name, folder) {
			return true
		}
	}
	return false
}
