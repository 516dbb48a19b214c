package outbox

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	headerLen  = 64
	version    = 1
	segmentExt = ".seg"
)

var segmentMagic = [8]byte([]byte("umqttdOB"))

// header is the first 64 bytes of a segment. Magic, version and checksum keep
// their places in every version.
type header struct {
	size    uint32 // of the file
	number  uint64 // that of the file's name
	first   uint64 // no record before this one was given a number as high
	prev    uint64 // number of the segment before, 0 for none
	prevEnd uint32 // where that one ends: what stands behind was never stored
	salt    uint32 // start value of the checksums in this segment
}

func (h *header) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	dst = binary.LittleEndian.AppendUint32(dst, h.size)
	dst = binary.LittleEndian.AppendUint64(dst, h.number)
	dst = binary.LittleEndian.AppendUint64(dst, h.first)
	dst = binary.LittleEndian.AppendUint64(dst, h.prev)
	dst = binary.LittleEndian.AppendUint32(dst, h.prevEnd)
	dst = binary.LittleEndian.AppendUint32(dst, h.salt)
	dst = append(dst, make([]byte, 12)...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseHeader decodes a header. The error is ErrForeign, ErrNewer or
// ErrDamaged.
func parseHeader(p []byte) (header, error) {
	crc := crc32.Checksum(p[:headerLen-4], castagnoli)
	fits := binary.LittleEndian.Uint32(p[headerLen-4:]) == crc
	if [8]byte(p) != segmentMagic {
		if fits {
			return header{}, ErrForeign
		}
		return header{}, ErrDamaged
	}
	switch v := binary.LittleEndian.Uint32(p[8:]); {
	case fits && v > version:
		return header{}, fmt.Errorf("%w (format %d)", ErrNewer, v)
	case !fits || v != version:
		return header{}, ErrDamaged
	}
	return header{
		size:    binary.LittleEndian.Uint32(p[12:]),
		number:  binary.LittleEndian.Uint64(p[16:]),
		first:   binary.LittleEndian.Uint64(p[24:]),
		prev:    binary.LittleEndian.Uint64(p[32:]),
		prevEnd: binary.LittleEndian.Uint32(p[40:]),
		salt:    binary.LittleEndian.Uint32(p[44:]),
	}, nil
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x", number) + segmentExt }

// segmentNumber returns the number in a segment's file name.
func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentExt)
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, ok && err == nil && n > 0 && segmentName(n) == name
}
