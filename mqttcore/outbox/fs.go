package outbox

import "io"

// FS is where a log keeps its files. [OS] is the operating system's; package
// simdisk has one for tests, on which power can be cut.
type FS interface {
	// Lock makes the folder if it is missing, and keeps all others out of it
	// until the Folder is closed. The error wraps [ErrLocked] if somebody else
	// has it.
	Lock(dir string) (Folder, error)

	// List returns the files of a folder, in any order, without the folders in
	// it.
	List(dir string) ([]FileInfo, error)

	// Open opens a file.
	Open(path string, mode Mode) (File, error)

	// Remove removes a file. That it is gone is certain after Sync of its
	// folder.
	Remove(path string) error
}

// Mode says what a file is opened for.
type Mode uint8

const (
	// ReadOnly opens a file that exists.
	ReadOnly Mode = iota
	// ReadWrite opens a file that exists.
	ReadWrite
	// Create makes a file that does not exist yet.
	Create
)

// Folder is a locked folder.
type Folder interface {
	// Sync returns when the folder's list of files is on the disk.
	Sync() error
	// Close gives the lock back.
	Close() error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync returns when what was written is on the disk, and the file's length
	// if it grew. It may leave out the time of the last change.
	Sync() error
	Close() error
}

// FileInfo is a file in a folder's list.
type FileInfo struct {
	Name string
	Size int64 // in bytes
}
