package machine

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// Where things are inside.
const (
	initFile   = "/init"
	argsFile   = "/args"    // one a line
	moduleDir  = "/modules" // in the order of their names
	moduleName = "%02d.ko"
)

// writeInitrd writes the machine's first and only file system.
func (m Machine) writeInitrd(name string) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := file.Close(); err == nil {
			err = cerr
		}
	}()
	out := bufio.NewWriter(file)
	a := &archive{out: out}
	for _, dir := range []string{"/dev", "/proc", "/sys", "/tmp", moduleDir} {
		a.dir(dir)
	}
	a.file(argsFile, []byte(strings.Join(m.Args, "\n")))
	a.copy(initFile, m.Init)
	for i, module := range m.Kernel.Modules {
		a.copy(path.Join(moduleDir, fmt.Sprintf(moduleName, i)), module)
	}
	for _, inside := range slices.Sorted(maps.Keys(m.Files)) {
		a.copy(inside, m.Files[inside])
	}
	a.end()
	if a.err != nil {
		return a.err
	}
	return out.Flush()
}

// archive writes a cpio archive in the one format that Linux reads (Documentation/driver-api/early-userspace/buffer-format.rst): for each file a header of 110 ASCII
// characters, its name and its content, the latter two filled up to a multiple of four. After an error nothing is written.
type archive struct {
	out   io.Writer
	inode int
	size  int // written so far
	err   error
}

// The modes of files in the archive: type and permissions.
const (
	modeDir  = 0o040755
	modeFile = 0o100755
)

func (a *archive) dir(name string)                  { a.add(name, modeDir, nil) }
func (a *archive) file(name string, content []byte) { a.add(name, modeFile, content) }

// copy adds a file of this computer.
func (a *archive) copy(name, from string) {
	content, err := os.ReadFile(from)
	if err != nil && a.err == nil {
		a.err = err
	}
	a.file(name, content)
}

// end writes the entry that ends an archive.
func (a *archive) end() { a.add("TRAILER!!!", 0, nil) }

func (a *archive) add(name string, mode int, content []byte) {
	a.inode++
	name = strings.TrimPrefix(name, "/") + "\x00"
	// Inode, mode, user, group, links, time, length, four device numbers, length of the name, checksum.
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
	a.write([]byte(header + name))
	a.write(make([]byte, -a.size&3))
	a.write(content)
	a.write(make([]byte, -a.size&3))
}

func (a *archive) write(p []byte) {
	if a.err == nil {
		_, a.err = a.out.Write(p)
		a.size += len(p)
	}
}
