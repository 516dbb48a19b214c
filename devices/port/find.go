package port

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Find returns the device node that spec means at this moment, links followed.
// It is asked again each time, because an adapter that is plugged in again may
// get another number. Errors are of class ErrMissing, ErrAmbiguous or
// ErrPermission.
func (f Finder) Find(spec Spec) (string, error) {
	if spec.Path == "" {
		return f.findUSB(spec.USB)
	}
	path, err := filepath.EvalSymlinks(spec.Path)
	if err != nil {
		e := openError(spec.Path, errnoOf(err))
		e.Op = "find"
		if errors.Is(e, ErrMissing) {
			e.Err, e.Fix = nil, "plug the adapter in; `umqttd ports` lists what is there"
		}
		return "", e
	}
	if filepath.Dir(spec.Path) == filepath.Join(f.dev(), "serial/by-id") {
		if err := f.checkByID(spec.Path, path); err != nil {
			return "", err
		}
	}
	return path, nil
}

// findUSB finds the one tty of the one adapter with that identity.
func (f Finder) findUSB(want USB) (string, error) {
	all, err := f.hardware()
	if err != nil {
		return "", err
	}
	var found []hardware
	other := "" // the serial number of an adapter of the same make
	for _, h := range all {
		if !strings.EqualFold(h.usb.VID, want.VID) || !strings.EqualFold(h.usb.PID, want.PID) {
			continue
		}
		if want.Serial != "" && h.usb.Serial != want.Serial {
			other = h.usb.Serial
			continue
		}
		found = append(found, h)
	}
	switch len(found) {
	case 0:
		e := &Error{Op: "find", Port: want.String(), Class: ErrMissing,
			Fix: "plug the adapter in; `umqttd ports` lists what is there"}
		if other != "" {
			e.Err = fmt.Errorf("there is one with serial %q", other)
		}
		return "", e
	case 1:
		path := filepath.Join(f.dev(), found[0].name)
		if _, err := os.Stat(path); err != nil { // sysfs is ahead of /dev
			e := openError(path, errnoOf(err))
			e.Op = "find"
			return "", e
		}
		return path, nil
	}
	return "", f.ambiguous(want.String(), found)
}

// checkByID refuses a by-id link that stands for several adapters: for those
// with the same serial number, or none, udev lets the last one plugged in win.
func (f Finder) checkByID(link, path string) error {
	all, err := f.hardware()
	if err != nil {
		return nil // without sysfs the link is all there is
	}
	for _, h := range all {
		if filepath.Join(f.dev(), h.name) != path {
			continue
		}
		var same []hardware
		for _, g := range all {
			if h.twin(g) {
				same = append(same, g)
			}
		}
		if len(same) > 1 {
			return f.ambiguous(link, same)
		}
	}
	return nil
}

// ambiguous lists the candidates by the sockets they are plugged into, which
// is what tells them apart.
func (f Finder) ambiguous(name string, found []hardware) error {
	byPath := f.links("serial/by-path")
	candidates := make([]string, len(found))
	for i, h := range found {
		node := filepath.Join(f.dev(), h.name)
		candidates[i] = node
		if link := byPath[node]; link != "" {
			candidates[i] += " (" + link + ")"
		}
	}
	return &Error{Op: "find", Port: name, Class: ErrAmbiguous, Err: errors.New(strings.Join(candidates, ", ")),
		Fix: "write port: with one of the /dev/serial/by-path links, which name the USB socket"}
}
