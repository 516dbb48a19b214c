package serialproto

import (
	"bytes"
	"hash/crc32"
)

// A second implementation of the frame, written from the specification for
// clarity alone: byte by byte, allocating as it likes. The tests hold the real
// one to it.

// naiveFrame returns the frame of body. trailing asks for the optional 01
// behind a final full block.
func naiveFrame(body []byte, trailing bool) []byte {
	c := crc32.ChecksumIEEE(body)
	data := append(bytes.Clone(body), byte(c), byte(c>>8), byte(c>>16), byte(c>>24))
	frame := []byte{0}
	var block []byte
	for i, b := range data {
		if b == 0 {
			frame = append(append(frame, byte(len(block)+1)), block...)
			block = nil
			if i == len(data)-1 {
				frame = append(frame, 1)
			}
			continue
		}
		block = append(block, b)
		if len(block) == 254 {
			frame = append(append(frame, 0xFF), block...)
			block = nil
			if i == len(data)-1 && trailing {
				frame = append(frame, 1)
			}
		}
	}
	if len(block) > 0 {
		frame = append(append(frame, byte(len(block)+1)), block...)
	}
	return append(frame, 0)
}

// naiveFrames returns the bodies of the frames in stream, for a receiver of
// bodies up to maxFrame bytes.
func naiveFrames(stream []byte, maxFrame int) []string {
	var bodies []string
	runs := bytes.Split(stream, []byte{0})
	for _, run := range runs[:len(runs)-1] {
		if body, ok := naiveBody(run); ok && len(run) <= maxFrame+4+(maxFrame+4)/254+1 {
			bodies = append(bodies, string(body))
		}
	}
	return bodies
}

func naiveBody(run []byte) ([]byte, bool) {
	var data []byte
	for len(run) > 0 {
		n := int(run[0])
		if n > len(run) {
			return nil, false
		}
		data = append(data, run[1:n]...)
		run = run[n:]
		if n < 255 && len(run) > 0 {
			data = append(data, 0)
		}
	}
	if len(data) < 5 {
		return nil, false
	}
	body, tail := data[:len(data)-4], data[len(data)-4:]
	c := crc32.ChecksumIEEE(body)
	return body, bytes.Equal(tail, []byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c >> 24)})
}
