package serialproto_test

import (
	"fmt"
	"time"

	"github.com/umqttd/umqttd/serialproto"
)

func ExampleAppendFrame() {
	pingReq := []byte{0x02, 0x16}
	fmt.Printf("% x\n", serialproto.AppendFrame(nil, pingReq))
	// Output: 00 07 02 16 2c c5 3b 87 00
}

func ExampleDecoder() {
	line := []byte("boot ok\r\n")
	line = serialproto.AppendFrame(line, []byte{0x02, 0x16})
	line = append(line, "\x80\x81\x82 noise\x00"...)

	var d serialproto.Decoder
	d.Feed(line, time.Now())
	for ev, ok := d.Next(); ok; ev, ok = d.Next() {
		switch ev.Kind {
		case serialproto.Frame:
			fmt.Printf("frame % x\n", ev.Body)
		case serialproto.Text:
			fmt.Printf("text %s\n", serialproto.AppendPrintable(nil, ev.Body))
		default:
			fmt.Printf("%d bytes of noise: %v\n", len(ev.Body), ev.Kind)
		}
	}
	// Output:
	// text boot ok
	// frame 02 16
	// 9 bytes of noise: cobs
}
