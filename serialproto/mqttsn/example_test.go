package mqttsn_test

import (
	"errors"
	"fmt"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

func ExamplePacket_Append() {
	p := mqttsn.Packet{
		Type:    mqttsn.Publish,
		Flags:   mqttsn.QoS1 | mqttsn.Retain,
		TopicID: 5,
		MsgID:   7,
		Data:    []byte("21.5"),
	}
	fmt.Printf("% x\n", p.Append(nil))
	// Output: 0b 0c 30 00 05 00 07 32 31 2e 35
}

func ExampleParse() {
	body := []byte{0x0b, 0x0c, 0x30, 0x00, 0x05, 0x00, 0x07, 0x32, 0x31, 0x2e, 0x35}
	var p mqttsn.Packet
	if err := mqttsn.Parse(body, &p); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v, QoS %d, topic id %d: %s\n", p.Type, p.Flags.QoS(), p.TopicID, p.Data)
	// Output: PUBLISH, QoS 1, topic id 5: 21.5
}

func ExampleError() {
	var p mqttsn.Packet
	err := mqttsn.Parse([]byte{0x05, 0x0d, 0x00, 0x05, 0x00}, &p)
	var e *mqttsn.Error
	if errors.As(err, &e) {
		fmt.Println(e.Reason)
	}
	fmt.Println(err)
	// Output:
	// malformed
	// mqttsn: PUBACK: MsgId at offset 4: missing
}
