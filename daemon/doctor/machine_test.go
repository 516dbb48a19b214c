package doctor_test

import (
	"testing"
	"time"

	"github.com/umqttd/umqttd/daemon/doctor"
)

func TestClock(t *testing.T) {
	tests := map[string]struct {
		now   time.Time
		files []string
		level doctor.Level
		words string
	}{
		"right":                          {noon, nil, doctor.OK, "2027-03-01"},
		"a Pi's at boot":                 {time.Unix(0, 0), nil, doctor.Problem, "1970-01-01, so no certificate looks valid"},
		"years ahead":                    {noon.AddDate(60, 0, 0), nil, doctor.Problem, "2087"},
		"not confirmed by a time server": {noon, []string{"/run/systemd/timesync/x"}, doctor.Warning, "no time server has confirmed"},
		"confirmed by a time server":     {noon, []string{"/run/systemd/timesync/synchronized"}, doctor.OK, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			for _, file := range test.files {
				p.write(file, "")
			}
			p.Now = func() time.Time { return test.now }
			p.Machine()
			p.has("clock", test.level, test.words)
		})
	}
}

func TestPower(t *testing.T) {
	const throttled, monitor = "/sys/devices/platform/soc/soc:firmware/get_throttled", "/sys/class/hwmon/hwmon1"
	tests := map[string]struct {
		files map[string]string
		level doctor.Level
		words string
	}{
		"good":                 {map[string]string{throttled: "0"}, doctor.OK, "no undervoltage"},
		"too low now":          {map[string]string{throttled: "50005"}, doctor.Problem, "at this moment"},
		"too low once":         {map[string]string{throttled: "50000"}, doctor.Warning, "since the machine was started"},
		"too hot":              {map[string]string{throttled: "0x8"}, doctor.Warning, "too hot"},
		"alarm of the monitor": {map[string]string{monitor + "/name": "rpi_volt", monitor + "/in0_lcrit_alarm": "1"}, doctor.Problem, "at this moment"},
		"monitor without it":   {map[string]string{monitor + "/name": "rpi_volt", monitor + "/in0_lcrit_alarm": "0"}, doctor.OK, "no undervoltage"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			for path, text := range test.files {
				p.write(path, text)
			}
			p.Machine()
			p.has("power", test.level, test.words)
		})
	}
	p := newPatient(t)
	p.write(monitor+"/name", "coretemp")
	p.Machine()
	for _, f := range p.found {
		if f.Check == "power" {
			t.Errorf("a machine that is no Pi: %+v", f)
		}
	}
}

func TestProgramsThatTakePorts(t *testing.T) {
	p := newPatient(t)
	p.write("/proc/1/comm", "systemd")
	p.Machine()
	p.has("other programs", doctor.OK)

	p = newPatient(t)
	p.write("/proc/7/comm", "brltty")
	p.write("/proc/8/comm", "ModemManager")
	p.Machine()
	p.has("other programs", doctor.Problem, "brltty", "sudo apt remove brltty")
	p.has("other programs", doctor.Warning, "ModemManager", "udev rules")

	p = newPatient(t)
	p.write("/proc/8/comm", "ModemManager")
	p.write("/usr/lib/udev/rules.d/60-umqttd.rules", "")
	p.Machine()
	p.hasNone("other programs")
}

// adapter plugs in a CP210x whose port is not there.
func adapter(p *patient) string {
	const dir = "/sys/bus/usb/devices/1-1.2"
	p.write(dir+"/idVendor", "10c4")
	p.write(dir+"/idProduct", "EA60")
	p.write(dir+"/product", "CP2104 USB to UART")
	p.write(dir+"/1-1.2:1.0/bInterfaceNumber", "00")
	return dir
}

func TestAdapterWithoutPort(t *testing.T) {
	p := newPatient(t)
	adapter(p)
	p.Machine()
	p.has("driver", doctor.Problem, "10c4:ea60", "CP2104", "at 1-1.2", "cp210x is not loaded", "sudo modprobe cp210x")

	p = newPatient(t)
	p.link(adapter(p)+"/1-1.2:1.0/driver", "/sys/bus/usb/drivers/usbfs")
	p.write("/sys/module/cp210x/initstate", "live")
	p.Machine()
	p.has("driver", doctor.Problem, "through libusb", "lsof")

	p = newPatient(t)
	adapter(p)
	p.write("/sys/module/cp210x/initstate", "live")
	p.Machine()
	p.has("driver", doctor.Problem, "though cp210x is loaded", "dmesg")

	p = newPatient(t)
	p.write(adapter(p)+"/1-1.2:1.0/ttyUSB0/dev", "188:0")
	p.Machine()
	p.hasNone("driver")
}

func TestNoPorts(t *testing.T) {
	p := newPatient(t)
	p.Machine()
	p.has("ports", doctor.Warning, "there is no serial port", "many only charge")
}
