package outbox

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A record is a head of 40 bytes, a body, and zeros up to a multiple of 8; the
// package comment draws it. All numbers are little-endian.
const (
	headLen = 40
	align   = 8

	// maxBody bounds every record, so that it fits into the smallest segment,
	// and what a scan must hold in memory.
	maxBody = 192 << 10
	// maxMessage leaves room for what the quarantine adds.
	maxMessage = maxBody - maxWhy - quarantineTail

	recordMagic = 0x4F51 // "QO"
)

type kind byte

const (
	kindMessage    kind = 1 + iota
	kindAck             // all of the client up to seq is done with
	kindState           // restart state of the client
	kindQuarantine      // a message that the broker will not take
	kindMoved           // the source segment's records are all copied
)

type flags byte

const (
	flagQoS    flags = 3      // two bits
	flagRetain flags = 1 << 2 // the message is to be retained
	flagFirst  flags = 1 << 3 // first record of a commit: all before it was synced
	flagCopy   flags = 1 << 4 // moved here from the source segment
	flagGone   flags = 1 << 5 // the client has no state any more
)

// head is the head of a record but for its checksums.
type head struct {
	kind   kind
	flags  flags
	length uint32 // of the body
	seq    uint64
	time   int64  // nanoseconds since 1970, 0 for none
	source uint32 // low half of a segment's number
	client uint16 // length
	topic  uint16 // length
}

// record is a head with its body.
type record struct {
	head
	body []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordSize returns what a record with a body of n bytes takes on disk.
func recordSize(n int) int { return (headLen + n + align - 1) &^ (align - 1) }

func (h *head) size() int { return recordSize(int(h.length)) }

func (r *record) clientID() []byte { return r.body[:r.client] }
func (r *record) topicName() []byte {
	return r.body[r.client : int(r.client)+int(r.topic)]
}
func (r *record) data() []byte { return r.body[int(r.client)+int(r.topic):] }

// appendRecord appends a record without checksums. It fills in the lengths.
func appendRecord(dst []byte, h head, client string, topic, data, tail []byte) []byte {
	length := len(client) + len(topic) + len(data) + len(tail)
	end := len(dst) + recordSize(length)
	dst = binary.LittleEndian.AppendUint16(dst, recordMagic)
	dst = append(dst, byte(h.kind), byte(h.flags))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0) // checksums
	dst = binary.LittleEndian.AppendUint32(dst, uint32(length))
	dst = binary.LittleEndian.AppendUint64(dst, h.seq)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.time))
	dst = binary.LittleEndian.AppendUint32(dst, h.source)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(client)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(topic)))
	dst = append(dst, client...)
	dst = append(dst, topic...)
	dst = append(dst, data...)
	dst = append(dst, tail...)
	for len(dst) < end {
		dst = append(dst, 0)
	}
	return dst
}

// stamp makes p, which holds records, the bytes of one commit into a segment
// with that salt: it marks the first record and computes the checksums.
func stamp(p []byte, salt uint32) {
	first := byte(flagFirst)
	for len(p) > 0 {
		length := binary.LittleEndian.Uint32(p[12:])
		p[3] = p[3]&^byte(flagFirst) | first
		first = 0
		body := p[headLen : headLen+length]
		binary.LittleEndian.PutUint32(p[8:], crc32.Update(salt, castagnoli, body))
		binary.LittleEndian.PutUint32(p[4:], headCRC(p, salt))
		p = p[recordSize(int(length)):]
	}
}

// headCRC covers the head but for itself; the body's checksum is part of it.
func headCRC(p []byte, salt uint32) uint32 {
	return crc32.Update(crc32.Update(salt, castagnoli, p[:4]), castagnoli, p[8:headLen])
}

// parseHead decodes a head if its checksum fits, and with it its lengths.
func parseHead(p []byte, salt uint32) (head, bool) {
	if binary.LittleEndian.Uint16(p) != recordMagic || binary.LittleEndian.Uint32(p[4:]) != headCRC(p, salt) {
		return head{}, false
	}
	h := head{
		kind:   kind(p[2]),
		flags:  flags(p[3]),
		length: binary.LittleEndian.Uint32(p[12:]),
		seq:    binary.LittleEndian.Uint64(p[16:]),
		time:   int64(binary.LittleEndian.Uint64(p[24:])),
		source: binary.LittleEndian.Uint32(p[32:]),
		client: binary.LittleEndian.Uint16(p[36:]),
		topic:  binary.LittleEndian.Uint16(p[38:]),
	}
	return h, h.length <= maxBody && int(h.client)+int(h.topic) <= int(h.length)
}

// bodyFits reports whether p, which starts with the head h, has the body that
// the head was made for.
func (h *head) bodyFits(p []byte, salt uint32) bool {
	body := p[headLen : headLen+int(h.length)]
	return binary.LittleEndian.Uint32(p[8:]) == crc32.Update(salt, castagnoli, body)
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
