package simdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// ErrPower is the error of everything after the power was cut.
var ErrPower = errors.New("simdisk: no power")

// Disk is a disk with the files of any number of folders. The zero value is
// empty and has no faults.
type Disk struct {
	// Space is how many bytes files may have together. Zero: no limit.
	// Negative: none at all. More is ENOSPC, after as much as there is space
	// for was written.
	Space int64

	// CutAt is the number of the operation at which the power is cut, counted
	// from 1 as [Stats.Operations] counts. Zero: never.
	CutAt uint64

	// Fail, unless nil, is asked before each operation; an error that it
	// returns is that of the operation. A write that fails may have happened
	// in part.
	Fail func(Operation) error

	mu      sync.Mutex
	files   map[string]*inode // as seen now
	names   map[string]*inode // as on disk
	changes []change          // of names, since the folder's last sync
	locks   map[string]bool
	boot    int // descriptors of earlier ones are dead
	off     bool
	stats   Stats
}

// Operation is something that changes the disk.
type Operation struct {
	Kind  Kind
	Path  string
	Bytes int // that are written
}

// Kind is a kind of Operation.
type Kind uint8

// What can be done to a disk.
const (
	Write Kind = iota
	Sync
	Make
	Remove
	SyncFolder
)

// Stats counts what was done.
type Stats struct {
	Operations uint64 // of all kinds
	Writes     uint64
	Bytes      uint64 // written
	Syncs      uint64 // of files
}

// inode is a file, whatever its name.
type inode struct {
	now  blob // what a reader sees
	disk blob // what was synced
	todo []write
}

// write is a write that was not synced. Writes behind the end make a file
// longer.
type write struct {
	off  int
	data []byte
}

// change is a file that was made, or removed if node is nil.
type change struct {
	path string
	node *inode
}

// begin starts an operation. The caller holds mu.
func (d *Disk) begin(op Operation) error {
	if d.off {
		return ErrPower
	}
	d.stats.Operations++
	if d.stats.Operations == d.CutAt {
		d.off = true
		return ErrPower
	}
	if d.Fail != nil {
		if err := d.Fail(op); err != nil {
			return &fs.PathError{Op: op.Kind.String(), Path: op.Path, Err: err}
		}
	}
	return nil
}

// String returns the name of the kind of operation.
func (k Kind) String() string {
	return [...]string{"write", "sync", "make", "remove", "sync folder"}[k]
}

// Stats returns what was done since the disk was made.
func (d *Disk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// PowerIsCut reports whether CutAt was reached.
func (d *Disk) PowerIsCut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// Lock is [outbox.FS]. Folders need not be made.
func (d *Disk) Lock(dir string) (outbox.Folder, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, ErrPower
	}
	dir = path.Clean(filepath.ToSlash(dir))
	if d.locks[dir] {
		return nil, fmt.Errorf("%s: %w", dir, outbox.ErrLocked)
	}
	if d.locks == nil {
		d.locks = map[string]bool{}
	}
	d.locks[dir] = true
	return &folder{disk: d, dir: dir, boot: d.boot}, nil
}

// List is [outbox.FS].
func (d *Disk) List(dir string) ([]outbox.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, ErrPower
	}
	dir = path.Clean(filepath.ToSlash(dir))
	var list []outbox.FileInfo
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		if path.Dir(name) == dir {
			list = append(list, outbox.FileInfo{Name: path.Base(name), Size: int64(d.files[name].now.size)})
		}
	}
	return list, nil
}

// Open is [outbox.FS].
func (d *Disk) Open(name string, mode outbox.Mode) (outbox.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = path.Clean(filepath.ToSlash(name))
	if d.off {
		return nil, ErrPower
	}
	node := d.files[name]
	if mode != outbox.Create {
		if node == nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
		}
		return &file{disk: d, node: node, path: name, boot: d.boot, writable: mode == outbox.ReadWrite}, nil
	}
	if node != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EEXIST}
	}
	if err := d.begin(Operation{Kind: Make, Path: name}); err != nil {
		return nil, err
	}
	node = &inode{}
	d.set(name, node)
	return &file{disk: d, node: node, path: name, boot: d.boot, writable: true}, nil
}

// set changes what is seen under a name.
func (d *Disk) set(name string, node *inode) {
	if d.files == nil {
		d.files = map[string]*inode{}
	}
	if node == nil {
		delete(d.files, name)
	} else {
		d.files[name] = node
	}
	d.changes = append(d.changes, change{path: name, node: node})
}

// Remove is [outbox.FS].
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = path.Clean(filepath.ToSlash(name))
	if d.files[name] == nil && !d.off {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOENT}
	}
	if err := d.begin(Operation{Kind: Remove, Path: name}); err != nil {
		return err
	}
	d.set(name, nil)
	return nil
}

// used returns how many bytes all files have.
func (d *Disk) used() int64 {
	n := int64(0)
	for _, node := range d.files {
		n += int64(node.now.size)
	}
	return n
}
