package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Kernel is an unpacked kernel package of Debian.
type Kernel struct {
	Package string   // name, version and architecture
	Image   string   // path of vmlinuz
	Modules []string // paths of those that are needed, in the order in which they are loaded
}

// modules returns the names of the modules that are loaded: USB, the drivers under test, and the host controller to plug adapters into.
func modules() []string {
	return []string{
		"common/usb-common", "core/usbcore",
		"serial/usbserial", "serial/cp210x", "class/cdc-acm",
		"usbip/usbip-core", "usbip/vhci-hcd",
	}
}

// FindKernel returns the kernel that test/vm/install-packages has put into the cache.
func FindKernel() (Kernel, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return Kernel{}, fmt.Errorf("machine: %w", err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(cache, "umqttd-vm", "kernel"))
	if err != nil {
		return Kernel{}, fmt.Errorf("machine: %w; run test/vm/install-packages", err)
	}
	k := Kernel{Package: filepath.Base(dir)}
	if k.Image, err = only(filepath.Join(dir, "boot", "vmlinuz-*")); err != nil {
		return Kernel{}, err
	}
	for _, name := range modules() {
		path, err := only(filepath.Join(dir, "lib/modules/*/kernel/drivers/usb", name+".ko"))
		if err != nil {
			return Kernel{}, err
		}
		k.Modules = append(k.Modules, path)
	}
	return k, nil
}

// only returns the one file that matches.
func only(pattern string) (string, error) {
	paths, err := filepath.Glob(pattern)
	if err == nil && len(paths) != 1 {
		err = errors.New("not one file, but")
	}
	if err != nil {
		return "", fmt.Errorf("machine: %s: %w %d; remove the cache and run test/vm/install-packages", pattern, err, len(paths))
	}
	return paths[0], nil
}
