//go:build !linux

package outbox

import "os"

func lock(*os.File) error { return nil }

func datasync(f *os.File) error { return f.Sync() }
