package serialproto

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	// Delimiter stands before and after every frame and never inside one.
	Delimiter = 0x00

	// DefaultMaxFrame is the longest body, in bytes, that a Decoder accepts
	// unless it is told otherwise.
	DefaultMaxFrame = 2048

	// MaxFrame is the longest body, in bytes, that any receiver can be told to
	// accept: MQTT-SN's Length field counts no further.
	MaxFrame = 65535

	crcLen = 4
)

// AppendFrame appends one frame that carries body: the delimiter, the COBS
// encoding of body and its CRC, the delimiter. It allocates only if dst lacks
// room for FrameLen(len(body)) bytes. body must not overlap dst's free space.
//
// An empty body gives a well-formed frame that every receiver discards, since
// no message is empty.
func AppendFrame(dst, body []byte) []byte {
	var crc [crcLen]byte
	binary.LittleEndian.PutUint32(crc[:], crc32.ChecksumIEEE(body))
	w := startCOBS(append(dst, Delimiter))
	w.write(body)
	w.write(crc[:])
	return append(w.finish(), Delimiter)
}

// FrameLen returns the most bytes that a frame with a body of n bytes takes on
// the wire, both delimiters included. The frame that AppendFrame makes is at
// most one byte per 254 shorter, as zeros in the body save COBS codes.
func FrameLen(n int) int {
	return 2 + stuffedLen(n+crcLen)
}

// stuffedLen returns the longest COBS encoding of n bytes, with the optional
// 01 behind a final full block.
func stuffedLen(n int) int {
	return n + n/blockMax + 1
}
