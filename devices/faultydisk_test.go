package devices

import (
	"io/fs"
	"sync/atomic"
	"syscall"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// faultyFS counts what is written, and can refuse it or hang.
type faultyFS struct {
	outbox.FS
	written atomic.Int64
	syncs   atomic.Int64
	full    atomic.Bool
	broken  atomic.Bool
	hang    atomic.Pointer[chan struct{}] // Sync waits for it
}

func (f *faultyFS) Open(path string, mode outbox.Mode) (outbox.File, error) {
	if mode == outbox.Create && f.full.Load() {
		return nil, &fs.PathError{Op: "create", Path: path, Err: syscall.ENOSPC}
	}
	file, err := f.FS.Open(path, mode)
	if err != nil {
		return nil, err
	}
	return &faultyFile{file, f, path}, nil
}

type faultyFile struct {
	outbox.File
	fs   *faultyFS
	path string
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fs.full.Load() {
		return 0, &fs.PathError{Op: "write", Path: f.path, Err: syscall.ENOSPC}
	}
	f.fs.written.Add(int64(len(p)))
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) Sync() error {
	f.fs.syncs.Add(1)
	if f.fs.broken.Load() {
		return &fs.PathError{Op: "sync", Path: f.path, Err: syscall.EIO}
	}
	if wait := f.fs.hang.Load(); wait != nil {
		<-*wait
	}
	return f.File.Sync()
}
