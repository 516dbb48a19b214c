package simdisk

import (
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
)

// Sector is what a disk writes as a whole, in bytes.
const Sector = 512

// Page is what a kernel writes as a whole unless power is cut, in bytes.
const Page = 4096

// Fate is what becomes of a sector that was written and not synced.
type Fate uint8

// The fates of a sector.
const (
	Kept    Fate = iota // it is on disk
	Missing             // the disk has what was there before
	Torn                // its first bytes are on disk, and nothing of the write behind
)

// Crash cuts the power and switches it on again. What was not synced has a
// random fate, page by page or sector by sector. Files and folders that are
// open are dead, locks are gone.
func (d *Disk) Crash(r *rand.Rand) {
	unit := Sector
	if r.IntN(2) == 0 {
		unit = Page
	}
	keep := r.Float64() // mostly there, or mostly missing
	var fate Fate
	last := -1
	d.CrashWith(r.IntN(len(d.Changes())+1), func(off int) (Fate, int) {
		if off/unit == last && unit > Sector {
			return fate, 0
		}
		last = off / unit
		switch {
		case r.Float64() < keep:
			fate = Kept
		case unit == Sector && r.IntN(8) == 0:
			return Torn, r.IntN(Sector)
		default:
			fate = Missing
		}
		return fate, 0
	})
}

// Changes returns the paths of files that were made or removed and whose folder
// was not synced since, in order.
func (d *Disk) Changes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var paths []string
	for _, c := range d.changes {
		paths = append(paths, c.path)
	}
	return paths
}

// CrashWith is Crash with decisions made by the caller: how many of Changes are
// on disk, and, for each sector of each write that was not synced, given the
// sector's offset in its file, what becomes of it; for Torn, with the number of
// its bytes that are on disk. Files are asked about in the order of their
// paths.
func (d *Disk) CrashWith(changes int, fate func(off int) (Fate, int)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.changes[:changes] {
		d.settle(c)
	}
	files := map[string]*inode{}
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		node := d.names[name]
		for _, w := range node.todo {
			w.crash(&node.disk, fate)
		}
		files[name] = &inode{now: node.disk.clone(), disk: node.disk}
	}
	d.restart(files)
}

// crash applies what is left of a write.
func (w *write) crash(disk *blob, fate func(off int) (Fate, int)) {
	for off, p := w.off, w.data; len(p) > 0; {
		n := min(Sector-off%Sector, len(p))
		switch f, torn := fate(off - off%Sector); f {
		case Kept:
			disk.put(p[:n], off)
		case Torn:
			disk.put(p[:min(n, max(0, torn-off%Sector))], off)
			return
		case Missing:
		}
		off, p = off+n, p[n:]
	}
}

// Kill ends all processes that use the disk, at once. Everything that was
// written stays, as the kernel has it, but is not synced.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boot++
	d.locks = nil
	d.off = false
	d.CutAt = 0
}

// restart goes on with the files on disk. The caller holds mu.
func (d *Disk) restart(files map[string]*inode) {
	d.files, d.names, d.changes = files, maps.Clone(files), nil
	d.boot++
	d.locks = nil
	d.off = false
	d.CutAt = 0
}

// Flip inverts bits of a byte of a file, on disk and as it is seen. It reports
// whether there is such a byte.
func (d *Disk) Flip(name string, off int, bits byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	node := d.files[path.Clean(filepath.ToSlash(name))]
	if node == nil || off >= node.now.size {
		return false
	}
	for _, b := range []*blob{&node.now, &node.disk} {
		var p [1]byte
		if b.get(p[:], off) == 1 {
			b.put([]byte{p[0] ^ bits}, off)
		}
	}
	return true
}

// Put makes a file, or replaces one, with these bytes, synced.
func (d *Disk) Put(name string, p []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = path.Clean(filepath.ToSlash(name))
	c := change{path: name, node: &inode{now: blobOf(p), disk: blobOf(p)}}
	d.set(name, c.node)
	d.changes = d.changes[:len(d.changes)-1]
	d.settle(c)
}

// Get returns the bytes of a file as they are seen, or nil if there is none.
func (d *Disk) Get(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	node := d.files[path.Clean(filepath.ToSlash(name))]
	if node == nil {
		return nil
	}
	p := make([]byte, node.now.size)
	node.now.get(p, 0)
	return p
}

// Clone returns a disk with the same files, synced or not, without faults and
// without users.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	nodes := map[*inode]*inode{}
	clone := func(n *inode) *inode {
		if n != nil && nodes[n] == nil {
			nodes[n] = &inode{now: n.now.clone(), disk: n.disk.clone(), todo: slices.Clone(n.todo)}
		}
		return nodes[n]
	}
	c := &Disk{files: map[string]*inode{}, names: map[string]*inode{}}
	for name, n := range d.files {
		c.files[name] = clone(n)
	}
	for name, n := range d.names {
		c.names[name] = clone(n)
	}
	for _, ch := range d.changes {
		c.changes = append(c.changes, change{path: ch.path, node: clone(ch.node)})
	}
	return c
}
