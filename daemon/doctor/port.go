package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/umqttd/umqttd/devices/port"
)

// Port looks at one port, and listens to it if nobody has it. Name is that of the device in the configuration, or empty.
func (d *Doctor) Port(ctx context.Context, name string, spec port.Spec) {
	spec = spec.WithDefaults()
	e := exam{d, "port " + spec.String()}
	if name != "" {
		e.about += " (" + name + ")"
	}
	if spec.Kind() == port.KindUDP {
		e.ok("kind", "boards come by network; nothing to look at here")
		return
	}
	if spec.Kind() == port.KindTTY {
		path, ok := e.there(spec)
		if !ok {
			return
		}
		permitted, free := e.permission(path), e.free(path, name)
		e.latency(path)
		if !permitted || !free {
			return
		}
		spec.Path, spec.USB = path, port.USB{}
	}
	e.listen(ctx, spec)
}

// there finds the node.
func (e exam) there(spec port.Spec) (string, bool) {
	path, err := e.d.finder().Find(spec)
	if err != nil {
		e.portError("found", err)
		return "", false
	}
	text := "is there"
	if path != spec.Path {
		text = "is " + path
	}
	e.ok("found", "%s", text)
	return path, true
}

// portError reports an error of package port, whose own words say what to do.
func (e exam) portError(check string, err error) {
	text, fix := strings.TrimPrefix(err.Error(), "port: "), "umqttd ports lists what is there"
	if fault, ok := errors.AsType[*port.Error](err); ok {
		text = fault.Class.Error()
		if fault.Err != nil && fault.Err.Error() != text {
			text += ": " + fault.Err.Error()
		}
		if fault.Fix != "" {
			fix = fault.Fix
		}
	}
	e.problem(check, text, fix)
}

// permission looks whether the user may open the node.
func (e exam) permission(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		e.problem("permission", err.Error(), "plug the adapter in again")
		return false
	}
	u, owned := e.d.user(), e.d.owned(info)
	if u.may(info, 0o6) {
		e.ok("permission", "%s may open it (%s)", u.Name, owned)
		return true
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	fix := "install umqttd's udev rules, or write one with GROUP=\"dialout\", MODE=\"0660\""
	if ok && info.Mode().Perm()&0o060 == 0o060 && st.Gid != 0 {
		group := e.d.name("/etc/group", st.Gid)
		fix = "sudo usermod -aG " + group + " " + u.Name + ", then log in again"
		if u.Name == serviceName {
			fix = "sudo usermod -aG " + group + " " + u.Name + ", then sudo systemctl restart umqttd"
		}
	}
	e.problem("permission", u.Name+" may not open it ("+owned+")", fix)
	return false
}

// free looks who else has the port.
func (e exam) free(path, name string) bool {
	f := e.d.finder()
	if h, locked := f.Locker(path); locked {
		if h.Name != "umqttd" && h.Name != "" {
			e.problem("holder", h.String()+" has locked it", "stop it")
			return false
		}
		watch := "umqttd monitor DEVICE"
		if name != "" {
			watch = "umqttd monitor " + name
		}
		e.ok("holder", "the gateway has it (pid %d), as it should; %s shows what arrives", h.PID, watch)
		return false
	}
	if i := e.info(path); i.Console {
		e.problem("holder", "the kernel prints its messages on it", "sudo raspi-config, Interface Options, Serial Port: no login shell, but the hardware; or take console= out of cmdline.txt; then reboot")
		return false
	}
	if strings.Contains(path, "/pts/") {
		e.ok("holder", "nobody has locked it; it is a pseudo-terminal, whose other end keeps it open")
		return true
	}
	if holders := f.Holders(path); len(holders) > 0 {
		h := holders[0]
		fix := "stop it: two readers of one port get half of the bytes each"
		switch {
		case strings.HasSuffix(h.Name, "getty"):
			fix = "sudo systemctl disable --now serial-getty@" + filepath.Base(path)
		case h.Name == "ModemManager":
			fix = "install umqttd's udev rules, or sudo systemctl mask --now ModemManager"
		case h.Name == "brltty":
			fix = "sudo apt remove brltty"
		}
		e.problem("holder", h.String()+" has it open", fix)
		return false
	}
	e.ok("holder", "nobody else has it open")
	return true
}

// info is what the list of ports says of the one at path.
func (e exam) info(path string) port.Info {
	all, _ := e.d.finder().List()
	i := slices.IndexFunc(all, func(i port.Info) bool { return i.Path == path })
	if i < 0 {
		return port.Info{}
	}
	return all[i]
}

// latency looks at the timer of FTDI adapters: bytes wait for it before they are handed over.
func (e exam) latency(path string) {
	text := e.read("/sys/class/tty/" + filepath.Base(path) + "/device/latency_timer")
	ms, err := strconv.Atoi(text)
	switch {
	case err != nil:
	case ms <= 1:
		e.ok("latency timer", "%d ms", ms)
	default:
		e.warn("latency timer", text+" ms: each answer of the board waits as long. umqttd sets 1 ms while it has the port, where the driver lets it",
			`if it stays so while the gateway runs, write a udev rule: ACTION=="add", SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", ATTR{latency_timer}="1"`)
	}
}
