package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// devicesDir reads the folder of device files, in the order of their names: *.yaml
// and *.yml, each one device. Other files, hidden ones and folders are no business
// of ours. The default folder may be missing; one that is named must be there.
func (d *decoder) devicesDir(c *Config, main *source) []*Device {
	at, named := d.given[&c.DevicesDir]
	if d.refused[&c.DevicesDir] || named && c.DevicesDir == "" {
		return nil
	}
	dir := c.DevicesDir
	if !named {
		dir = filepath.Join(main.dir, DefaultDevicesDir)
	}
	if !named {
		at = place{src: main, key: "devices_dir"}
	}
	entries, err := os.ReadDir(dir)
	switch {
	case os.IsNotExist(err) && !named:
		return nil
	case os.IsNotExist(err):
		d.fault(at, dir+": no such folder", "write the name of a folder that exists")
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		d.fault(at, dir+": is no folder", "write the name of a folder")
		return nil
	case err != nil:
		wrong, write := whyNot(err)
		d.fault(at, dir+": "+wrong, write)
		return nil
	}
	c.DevicesDir = dir
	var devices []*Device
	for _, entry := range entries {
		name := entry.Name()
		if ext := filepath.Ext(name); strings.HasPrefix(name, ".") || ext != ".yaml" && ext != ".yml" {
			continue
		}
		path := filepath.Join(dir, name)
		src := &source{name: path, dir: dir, order: len(c.Files)}
		c.Files = append(c.Files, path)
		if dev := d.deviceFile(c, src); dev != nil {
			devices = append(devices, dev)
		}
	}
	return devices
}

// deviceFile reads one device. A file with nothing but comments holds none.
func (d *decoder) deviceFile(c *Config, src *source) *Device {
	top := place{src: src}
	if info, err := os.Stat(src.name); err == nil && !info.Mode().IsRegular() {
		d.fault(top, "is no file", "remove it, or move it elsewhere")
		return nil
	}
	data, wrong, write := readFile(src.name)
	if wrong != "" {
		d.fault(top, wrong, write)
		return nil
	}
	root := d.parse(src, data)
	if root == nil || isNull(root) {
		return nil
	}
	dev := newDevice(c.Broker)
	top.line = root.Line
	d.decode(deviceSection(dev), top, root)
	return dev
}
