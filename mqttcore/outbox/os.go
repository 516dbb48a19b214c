package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// OS is the operating system's file system. Files are readable by their owner
// alone: they hold what the boards say.
type OS struct{}

const (
	folderMode = 0o700
	fileMode   = 0o600
)

// Lock opens the folder and locks its descriptor, so that no lock file is
// needed. Elsewhere than on Linux it does not lock.
func (OS) Lock(dir string) (Folder, error) {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := lock(d); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return d, nil
}

// List reads the folder.
func (OS) List(dir string) ([]FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make([]FileInfo, 0, len(entries))
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		files = append(files, FileInfo{Name: e.Name(), Size: info.Size()})
	}
	return files, nil
}

// Open opens a file whose Sync is fdatasync where there is one.
func (OS) Open(path string, mode Mode) (File, error) {
	flag := os.O_RDONLY
	switch mode {
	case ReadOnly:
	case ReadWrite:
		flag = os.O_RDWR
	case Create:
		flag = os.O_RDWR | os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(path, flag, fileMode)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Remove removes a file.
func (OS) Remove(path string) error { return os.Remove(path) }

type osFile struct{ *os.File }

func (f osFile) Sync() error {
	if err := datasync(f.File); err != nil {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	return nil
}
