package usbip

import "encoding/binary"

// NewSerialJTAG returns the port inside an ESP32-S3 and its younger siblings: Linux has it as a ttyACM, driver cdc_acm.
func NewSerialJTAG(serial string) *Adapter {
	a := newAdapter(serialJTAG{})
	a.VID, a.PID, a.Serial = "303a", "1001", serial
	a.manufacturer, a.product = "Espressif", "USB JTAG/serial debug unit"
	return a
}

// serialJTAG is a CDC-ACM device (USB CDC PSTN 1.2), without its JTAG half.
type serialJTAG struct{}

// The requests of an abstract control model (USB CDC PSTN 1.2 section 6.3).
const (
	acmSetLineCoding  = 0x20
	acmGetLineCoding  = 0x21
	acmSetModemLines  = 0x22 // SET_CONTROL_LINE_STATE, which always writes both
	acmLineCodingLen  = 7
	acmLineCodingBits = 8
)

func (serialJTAG) descriptors() (device, configuration []byte) {
	device = []byte{
		18, 1, 0x00, 0x02, 0xef, 2, 1, 64, // USB 2.0, interfaces belong together
		0x3a, 0x30, 0x01, 0x10, 0x01, 0x01, // 303a:1001
		1, 2, 3, 1,
	}
	configuration = []byte{
		9, 2, 67, 0, 2, 1, 0, 0x80, 50, // 67 bytes, two interfaces
		9, 4, 0, 0, 1, 2, 2, 0, 0, // communication: abstract control model
		5, 0x24, 0, 0x10, 0x01, // CDC 1.10
		4, 0x24, 2, 0x02, // knows line coding and modem lines
		5, 0x24, 6, 0, 1, // union: 0 is master, 1 has the data
		5, 0x24, 1, 0, 1, // no call management
		7, 5, 0x82, 3, 64, 0, 1,
		9, 4, 1, 0, 2, 0x0a, 0, 0, 0, // data
		7, 5, 0x81, 2, 64, 0, 0,
		7, 5, 0x01, 2, 64, 0, 0,
	}
	return device, configuration
}

func (serialJTAG) control(a *Adapter, s setup, data []byte) ([]byte, bool) {
	switch s.request {
	case acmSetModemLines:
		a.setLines(Lines{DTR: s.value&modemDTR != 0, RTS: s.value&modemRTS != 0}, true)
		return nil, true
	case acmSetLineCoding:
		if len(data) != acmLineCodingLen {
			return nil, false
		}
		a.baud = int(binary.LittleEndian.Uint32(data))
		return nil, true
	case acmGetLineCoding:
		return append(binary.LittleEndian.AppendUint32(nil, uint32(a.baud)), 0, 0, acmLineCodingBits), true
	}
	return nil, !s.in()
}
