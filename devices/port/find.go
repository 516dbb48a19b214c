package port

import (
	"path/filepath"
)

// Finder finds device nodes. The zero value looks at the system.
type Finder struct {
	Dev string // "" means /dev
	Sys string // "" means /sys
}

// Find returns the device node that spec means at this moment. Links are
// followed.
func (f Finder) Find(spec Spec) (string, error) {
	path, err := filepath.EvalSymlinks(spec.Path)
	if err != nil {
		return "", openError(spec.Path, errnoOf(err))
	}
	return path, nil
}
