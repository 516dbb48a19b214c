package usbip

import "encoding/binary"

// NewCP2104 returns the bridge of many boards: Linux has it as a ttyUSB, driver cp210x.
func NewCP2104(serial string) *Adapter {
	a := newAdapter(cp2104{})
	a.VID, a.PID, a.Serial = "10c4", "ea60", serial
	a.manufacturer, a.product = "Silicon Labs", "CP2104 USB to UART Bridge Controller"
	return a
}

// cp2104 is the Silicon Labs chip of that name, as their application note AN571 describes it.
type cp2104 struct{}

// The requests of AN571 that the driver makes. Those that only set something are accepted and forgotten.
const (
	cpGetLineControl = 0x04
	cpSetModemLines  = 0x07
	cpGetModemStatus = 0x08
	cpGetCommStatus  = 0x10
	cpGetFlow        = 0x14
	cpSetBaud        = 0x1e
	cpVendor         = 0xff
)

// Details of them.
const (
	cpMaskDTR        = 1 << 8 // cpSetModemLines: DTR is written
	cpMaskRTS        = 1 << 9
	cpPart           = 0x370b // value of cpVendor: which chip is it?
	cpPartCP2104     = 4
	cpLineControl8N1 = 0x0800
	cpCommStatusLen  = 19
	cpFlowLen        = 16
)

func (cp2104) descriptors() (device, configuration []byte) {
	device = []byte{
		18, 1, 0x00, 0x02, 0, 0, 0, 64, // USB 2.0, 64 bytes a packet
		0xc4, 0x10, 0x60, 0xea, 0x00, 0x01, // 10c4:ea60
		1, 2, 3, 1, // strings, one configuration
	}
	configuration = []byte{
		9, 2, 32, 0, 1, 1, 0, 0x80, 50, // 32 bytes, one interface, 100 mA from the bus
		9, 4, 0, 0, 2, 0xff, 0, 0, 2, // vendor's own, two endpoints
		7, 5, 0x81, 2, 64, 0, 0,
		7, 5, 0x01, 2, 64, 0, 0,
	}
	return device, configuration
}

func (cp2104) control(a *Adapter, s setup, data []byte) ([]byte, bool) {
	switch s.request {
	case cpSetModemLines:
		lines := a.lines
		if s.value&cpMaskDTR != 0 {
			lines.DTR = s.value&modemDTR != 0
		}
		if s.value&cpMaskRTS != 0 {
			lines.RTS = s.value&modemRTS != 0
		}
		a.setLines(lines, s.value&cpMaskDTR != 0 && s.value&cpMaskRTS != 0)
		return nil, true
	case cpSetBaud:
		if len(data) != 4 {
			return nil, false
		}
		a.baud = int(binary.LittleEndian.Uint32(data))
		return nil, true
	case cpGetModemStatus:
		return []byte{a.lines.bits()}, true
	case cpGetLineControl:
		return binary.LittleEndian.AppendUint16(nil, cpLineControl8N1), true
	case cpGetCommStatus:
		return make([]byte, cpCommStatusLen), true // nothing waits, nothing is wrong
	case cpGetFlow:
		return make([]byte, cpFlowLen), true // none
	case cpVendor:
		if s.value == cpPart {
			return []byte{cpPartCP2104}, true
		}
		return make([]byte, s.length), true // its pins are as they left the factory
	}
	return nil, !s.in()
}
