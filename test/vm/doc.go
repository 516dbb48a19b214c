// Package vm tests devices/port, and umqttd as a whole, with the real Linux drivers cp210x and cdc_acm: modem lines, unplugging, speeds, a board that takes no bytes. A pty has none of these.
//
// Package machine boots a virtual machine with Debian's kernel in which the tests run; package usbip is the adapters that are plugged into it. From outside
// it is an ordinary test, behind the build tag vm:
//
//	test/vm/install-packages
//	go test -tags vm ./test/vm
//	go test -tags vm ./test/vm -v -run TestUnplug
//
// TestMain builds the test program and umqttd, and boots the machine with the flags of go test; what is printed comes from inside. There, time passes at once
// when nobody has anything to do, so the times that tests show are the machine's and not yours.
package vm
