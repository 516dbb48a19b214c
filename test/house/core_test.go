package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// cores are the packages that hold protocol logic as plain values: bytes, messages
// and the time go in; bytes, events and the next deadline come out.
var cores = []string{
	"devices/gateway",
	"devices/turn",
	"mqttcore/packet",
	"serialproto",
	"serialproto/board",
	"serialproto/mqttsn",
}

// outside are packages that do something in the world.
var outside = []string{"context", "io", "log", "log/slog", "math/rand", "math/rand/v2", "net", "os", "sync/atomic", "syscall"}

// clock are the functions of package time that ask for the time or wait.
var clock = []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}

// TestCoresAreSansIO holds that protocol logic has no goroutine, clock, lock, log,
// socket or channel: what a test gives it is all it knows.
func TestCoresAreSansIO(t *testing.T) {
	seen := 0
	for _, p := range ownPackages(t) {
		if !slices.Contains(cores, p.name()) {
			continue
		}
		seen++
		for _, name := range p.GoFiles {
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, breach := range breaches(file) {
				t.Errorf("%s: %s", files.Position(breach.node.Pos()), breach.what)
			}
		}
	}
	if seen != len(cores) {
		t.Errorf("%d packages found, but cores names %d", seen, len(cores))
	}
}

// breach is a place where a core is more than a value.
type breach struct {
	node ast.Node
	what string
}

// breaches finds them in one file.
func breaches(file *ast.File) []breach {
	var found []breach
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil && slices.Contains(outside, path) {
			found = append(found, breach{spec, "imports " + path})
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			found = append(found, breach{node, "starts a goroutine"})
		case *ast.ChanType:
			found = append(found, breach{node, "has a channel"})
		case *ast.SelectorExpr:
			if pkg, ok := node.X.(*ast.Ident); ok {
				found = append(found, judge(node, pkg.Name, node.Sel.Name)...)
			}
		}
		return true
	})
	return found
}

// judge says whether name of package pkg has no place in a core. A sync.Pool has:
// memory may come back from elsewhere.
func judge(node ast.Node, pkg, name string) []breach {
	switch {
	case pkg == "time" && slices.Contains(clock, name):
		return []breach{{node, "asks the clock: time." + name}}
	case pkg == "sync" && name != "Pool":
		return []breach{{node, "is shared: sync." + name}}
	}
	return nil
}

// TestBreaches shows that the rule sees what it forbids.
func TestBreaches(t *testing.T) {
	const source = `package p
import ("net"; "sync"; "time")
var c chan int
var p sync.Pool
var m sync.Mutex
func f() { go f(); _ = time.Now(); _ = time.Second; _ = net.IP(nil) }`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range breaches(file) {
		got = append(got, b.what)
	}
	want := []string{"imports net", "has a channel", "is shared: sync.Mutex", "starts a goroutine", "asks the clock: time.Now"}
	if !slices.Equal(got, want) {
		t.Errorf("breaches: got %q, want %q", got, want)
	}
}
