package usbip

// chip is what one kind of adapter knows and others do not.
type chip interface {
	// descriptors returns the device descriptor, with the strings 1 (manufacturer), 2 (product) and 3 (serial number), and the configuration with its interfaces.
	descriptors() (device, configuration []byte)
	// control does a request that is not USB's own and returns its answer, or false for a request that it does not know. The Adapter is locked.
	control(a *Adapter, s setup, data []byte) ([]byte, bool)
}

// The endpoints of both chips.
const (
	endpointControl = 0
	endpointData    = 1 // 0x81 to the host, 0x01 to the device
	endpointNotice  = 2 // 0x82: changes of modem lines, of which there are none
)

// Standard requests that are answered (USB 2.0 section 9.4).
const (
	getStatus     = 0
	getDescriptor = 6
)

// The types of descriptors that can be asked for one by one.
const (
	descriptorDevice        = 1
	descriptorConfiguration = 2
	descriptorString        = 3
)

// standardControl does a request that all USB devices know.
func (a *Adapter) standardControl(s setup) ([]byte, bool) {
	device, configuration := a.chip.descriptors()
	switch kind, index := s.value>>8, s.value&0xff; {
	case !s.in():
		return nil, true // SET_CONFIGURATION and the like: there is one of each
	case s.request == getStatus:
		return []byte{0, 0}, true
	case s.request != getDescriptor:
		return nil, false
	case kind == descriptorDevice:
		return device, true
	case kind == descriptorConfiguration:
		return configuration, true
	case kind == descriptorString && index == 0:
		return []byte{4, descriptorString, 0x09, 0x04}, true // English (United States)
	case kind == descriptorString && index <= 3:
		return stringDescriptor([]string{a.manufacturer, a.product, a.Serial}[index-1]), true
	}
	return nil, false
}

// stringDescriptor is ASCII text as USB has it: UTF-16, little-endian.
func stringDescriptor(text string) []byte {
	d := []byte{byte(2 + 2*len(text)), descriptorString}
	for i := range len(text) {
		d = append(d, text[i], 0)
	}
	return d
}
