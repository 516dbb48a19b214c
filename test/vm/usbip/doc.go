// Package usbip is USB serial adapters without hardware: an emulated CP2104, and the port inside an ESP32-S3. They are plugged into Linux by USB/IP, the kernel's way to
// use devices of another machine, so that its own drivers and real nodes such as /dev/ttyUSB0 are tested. Here the other machine is this process:
//
//	test -- /dev/ttyUSB0 -- cp210x -- usbcore -- vhci_hcd -- socket -- Adapter -- UART -- board
//
// An Adapter can be told to stop taking bytes or answering, it can be unplugged at any time, and it keeps a trace of DTR and RTS.
//
// Bytes take no time: what an adapter is told of speeds is noted and has no effect.
package usbip
