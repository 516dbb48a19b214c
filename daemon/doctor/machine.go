package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// earliest is when this check was written: no clock that is right shows less.
var earliest = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// Machine looks at what concerns every port: clock, power, programs that take ports, adapters without one.
func (d *Doctor) Machine() {
	e := exam{d, "machine"}
	e.clock()
	e.power()
	e.rivals()
	e.adapters()
}

// clock looks whether the time can be right. A Pi has no clock of its own: until the network tells it, it goes on where it stopped, or begins in 1970.
func (e exam) clock() {
	now := e.d.now()
	timesync := e.d.at("/run/systemd/timesync")
	_, err := os.Stat(timesync)
	watched := err == nil
	_, err = os.Stat(filepath.Join(timesync, "synchronized"))
	switch {
	case now.Before(earliest) || now.Year() > earliest.Year()+50:
		e.problem("clock", "it says "+now.UTC().Format(time.DateOnly)+", so no certificate looks valid", "sudo timedatectl set-ntp true, and let the machine reach a time server; a Pi without a network needs a clock module")
	case watched && err != nil:
		e.warn("clock", "it says "+now.UTC().Format(time.DateTime)+" UTC, but no time server has confirmed that yet", "timedatectl timesync-status says whom it asks; a firewall may hold back UDP port 123")
	default:
		e.ok("clock", "%s UTC", now.UTC().Format(time.DateTime))
	}
}

// The bits of a Pi's get_throttled.
const (
	undervoltedNow  = 1 << 0
	throttledNow    = 1<<1 | 1<<2 | 1<<3
	undervoltedOnce = 1 << 16
)

// power looks at what a Raspberry Pi's firmware says of its supply. Other machines say nothing.
func (e exam) power() {
	const fix = "use the Pi's own supply and a short cable; give boards that draw much a hub with a supply of its own"
	flags, err := strconv.ParseUint(strings.TrimPrefix(e.read("/sys/devices/platform/soc/soc:firmware/get_throttled"), "0x"), 16, 64)
	known := err == nil
	for _, monitor := range e.glob("/sys/class/hwmon/hwmon*") {
		if e.read(monitor+"/name") == "rpi_volt" {
			known = true
			if e.read(monitor+"/in0_lcrit_alarm") == "1" {
				flags |= undervoltedNow
			}
		}
	}
	switch {
	case !known:
	case flags&undervoltedNow != 0:
		e.problem("power", "the supply voltage is too low at this moment: USB drops bytes and boards reset", fix)
	case flags&undervoltedOnce != 0:
		e.warn("power", "the supply voltage has been too low since the machine was started", fix)
	case flags&throttledNow != 0:
		e.warn("power", "the processor is slowed down, for it is too hot", "give it air, or a heat sink")
	default:
		e.ok("power", "no undervoltage")
	}
}

// rivals looks for programs that take serial ports unasked.
func (e exam) rivals() {
	rules := slices.Concat(e.glob("/etc/udev/rules.d/*umqttd*.rules"), e.glob("/usr/lib/udev/rules.d/*umqttd*.rules"), e.glob("/lib/udev/rules.d/*umqttd*.rules"))
	found := false
	for _, name := range e.processes() {
		switch {
		case name == "brltty":
			found = true
			e.problem("other programs", "brltty runs: it takes CP210x and CH340 adapters for Braille displays, and their ports vanish", "sudo apt remove brltty, or sudo systemctl mask --now brltty.service brltty-udev.service")
		case name == "ModemManager" && len(rules) == 0:
			found = true
			e.warn("other programs", "ModemManager runs: it writes to new ports for the first seconds, to see whether they are modems", "install umqttd's udev rules, which keep it away, or sudo systemctl mask --now ModemManager")
		}
	}
	if !found {
		e.ok("other programs", "none that takes ports unasked")
	}
}

// processes are the names of those that run, each once.
func (e exam) processes() []string {
	var names []string
	for _, dir := range e.glob("/proc/[0-9]*") {
		if name := e.read(dir + "/comm"); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// drivers says which module makes a port of an adapter.
var drivers = map[string]string{
	"10c4:ea60": "cp210x", "10c4:ea70": "cp210x", "10c4:ea71": "cp210x",
	"1a86:7522": "ch341", "1a86:7523": "ch341", "1a86:5523": "ch341",
	"1a86:55d3": "cdc_acm", "1a86:55d4": "cdc_acm", "303a:1001": "cdc_acm", "2e8a:0005": "cdc_acm", "2341:0043": "cdc_acm", "2341:0010": "cdc_acm",
	"0403:6001": "ftdi_sio", "0403:6010": "ftdi_sio", "0403:6011": "ftdi_sio", "0403:6014": "ftdi_sio", "0403:6015": "ftdi_sio",
	"067b:2303": "pl2303", "067b:23a3": "pl2303", "067b:23c3": "pl2303",
}

// adapters looks for USB adapters that are plugged in and have no port.
func (e exam) adapters() {
	without := 0
	for _, dir := range e.glob("/sys/bus/usb/devices/*") {
		id := strings.ToLower(e.read(dir+"/idVendor") + ":" + e.read(dir+"/idProduct"))
		module := drivers[id]
		if module == "" || len(e.glob(dir+"/*:*/ttyUSB*"))+len(e.glob(dir+"/*:*/tty/tty*")) > 0 {
			continue
		}
		without++
		what := fmt.Sprintf("the adapter %s (%s) is plugged in at %s and has no port", id, e.read(dir+"/product"), filepath.Base(dir))
		switch {
		case len(e.glob("/sys/module/"+module)) == 0:
			e.problem("driver", what+": the module "+module+" is not loaded", "sudo modprobe "+module+"; if there is none, reboot after a kernel upgrade, or install the kernel's extra modules")
		case slices.ContainsFunc(e.glob(dir+"/*:*/driver"), func(link string) bool { return linkName(e.d.at(link)) == "usbfs" }):
			e.problem("driver", what+": a program took it through libusb", "sudo lsof /dev/bus/usb/*/* names it; often it is brltty")
		default:
			e.problem("driver", what+", though "+module+" is loaded", "unplug it and plug it in; sudo dmesg | tail says what the driver does not like")
		}
	}
	ports, err := e.d.finder().List()
	switch {
	case without > 0:
	case err != nil || len(ports) == 0:
		e.warn("ports", "there is no serial port", "plug the board in, with a cable that carries data: many only charge")
	default:
		var names []string
		for _, p := range ports {
			names = append(names, p.Path)
		}
		e.ok("ports", "%s", strings.Join(names, ", "))
	}
}

// linkName is the last element of what a link points to.
func linkName(link string) string {
	target, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// read returns the text of a file of the machine, or "".
func (e exam) read(path string) string {
	text, err := os.ReadFile(e.d.at(path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// glob returns paths of the machine.
func (e exam) glob(pattern string) []string {
	found, err := filepath.Glob(e.d.at(pattern))
	if err != nil {
		return nil
	}
	for i := range found {
		found[i] = strings.TrimPrefix(found[i], e.d.Root)
	}
	return found
}
