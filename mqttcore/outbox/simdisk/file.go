package simdisk

import (
	"io"
	"io/fs"
	"path"
	"syscall"
)

// file is an open file. It is dead after a crash.
type file struct {
	disk     *Disk
	node     *inode
	path     string
	boot     int
	writable bool
	closed   bool
}

// check returns why the file cannot be used. The caller holds the lock.
func (f *file) check(op string) error {
	switch {
	case f.disk.off || f.boot != f.disk.boot:
		return ErrPower
	case f.closed:
		return &fs.PathError{Op: op, Path: f.path, Err: fs.ErrClosed}
	}
	return nil
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.check("read"); err != nil {
		return 0, err
	}
	n := f.node.now.get(p, int(off))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := f.check("write"); err != nil {
		return 0, err
	}
	if !f.writable {
		return 0, &fs.PathError{Op: "write", Path: f.path, Err: syscall.EBADF}
	}
	n := len(p)
	grown := int(off) + n - f.node.now.size
	if free := d.free(); grown > 0 && int64(grown) > free {
		n = max(0, n-grown+int(max(0, free)))
	}
	if err := d.begin(Operation{Kind: Write, Path: f.path, Bytes: len(p)}); err != nil {
		f.node.write(p[:n/2], int(off)) // who knows
		return n / 2, err
	}
	f.node.write(p[:n], int(off))
	d.stats.Writes++
	d.stats.Bytes += uint64(n)
	if n < len(p) {
		return n, &fs.PathError{Op: "write", Path: f.path, Err: syscall.ENOSPC}
	}
	return n, nil
}

// free returns how many bytes files can still grow.
func (d *Disk) free() int64 {
	switch {
	case d.Space < 0:
		return 0
	case d.Space == 0:
		return 1 << 60
	}
	return d.Space - d.used()
}

func (i *inode) write(p []byte, off int) {
	if len(p) == 0 {
		return
	}
	i.now.put(p, off)
	i.todo = append(i.todo, write{off: off, data: append([]byte(nil), p...)})
}

func (f *file) Sync() error {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := f.check("sync"); err != nil {
		return err
	}
	err := d.begin(Operation{Kind: Sync, Path: f.path})
	if err == nil {
		for _, w := range f.node.todo {
			f.node.disk.put(w.data, w.off)
		}
	}
	if d.off {
		return err
	}
	// After a failed sync the pages count as clean: the next sync succeeds, and
	// nothing of this will ever be on the disk.
	f.node.todo = nil
	d.stats.Syncs++
	return err
}

func (f *file) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return nil
}

// folder is a locked folder.
type folder struct {
	disk *Disk
	dir  string
	boot int
}

func (f *folder) Sync() error {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.boot != d.boot {
		return ErrPower
	}
	if err := d.begin(Operation{Kind: SyncFolder, Path: f.dir}); err != nil {
		return err
	}
	rest := d.changes[:0]
	for _, c := range d.changes {
		if path.Dir(c.path) == f.dir {
			d.settle(c)
		} else {
			rest = append(rest, c)
		}
	}
	d.changes = rest
	return nil
}

// settle makes a change of names one on disk.
func (d *Disk) settle(c change) {
	if d.names == nil {
		d.names = map[string]*inode{}
	}
	if c.node == nil {
		delete(d.names, c.path)
	} else {
		d.names[c.path] = c.node
	}
}

func (f *folder) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.boot == f.disk.boot {
		delete(f.disk.locks, f.dir)
	}
	return nil
}
