package outbox

import (
	"fmt"
	"time"
)

// Config says where a log is and how large it may grow. The zero value of each
// field but Dir is the default.
type Config struct {
	// Dir is the log's own folder. Open makes it. Other files do not belong
	// there.
	Dir string

	// FS holds the folder. Nil: the operating system's.
	FS FS

	// MaxBytes bounds the disk space that messages take, in bytes. Two more
	// segments may exist for what drains a full log: acknowledgements, states,
	// quarantined and moved messages. Zero: 64 MiB. Less than 1 MiB is refused.
	MaxBytes int64

	// SegmentBytes is the length of a new segment, in bytes. Zero: 1 MiB, but
	// an eighth of MaxBytes if that is less, never less than 256 KiB; and a
	// 1024th of it if that is more, never more than 16 MiB. Other values are
	// 256 KiB to 16 MiB, and at most a quarter of MaxBytes.
	SegmentBytes int

	// DropOldest makes room for new messages by dropping the oldest, instead of
	// refusing the new ones with ErrFull. [Log.Evicted] tells which.
	DropOldest bool
}

const (
	defaultMaxBytes = 64 << 20
	minMaxBytes     = 1 << 20

	defaultSegment = 1 << 20
	minSegment     = 256 << 10
	maxSegment     = 16 << 20

	// minSegments that MaxBytes is made of, so that moving the live records of
	// one leaves most of the others alone.
	minSegments = 4

	maxQuarantined     = 100
	maxQuarantineBytes = 1 << 20
)

// withDefaults returns c without zeros, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if c.FS == nil {
		c.FS = OS{}
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.SegmentBytes == 0 {
		size := min(max(min(defaultSegment, c.MaxBytes/8), minSegment, c.MaxBytes/1024), maxSegment)
		c.SegmentBytes = int(size &^ (align - 1))
	}
	switch {
	case c.Dir == "":
		return c, fmt.Errorf("outbox: no folder is given")
	case c.MaxBytes < minMaxBytes:
		return c, fmt.Errorf("outbox: MaxBytes is %d; at least %d is needed", c.MaxBytes, minMaxBytes)
	case c.SegmentBytes < minSegment || c.SegmentBytes > maxSegment || c.SegmentBytes%align != 0:
		return c, fmt.Errorf("outbox: SegmentBytes is %d; %d to %d are possible, in steps of %d", c.SegmentBytes, minSegment, maxSegment, align)
	case int64(c.SegmentBytes)*minSegments > c.MaxBytes:
		return c, fmt.Errorf("outbox: SegmentBytes is %d; at most a quarter of MaxBytes is possible", c.SegmentBytes)
	}
	return c, nil
}

// Message is a message that waits for the broker.
type Message struct {
	Seq      uint64 // given by Append; ascending over the whole log, never 0
	Client   string // MQTT client id, at most 65535 bytes
	Topic    []byte // at most 65535 bytes
	Payload  []byte
	QoS      byte // 0 to 2
	Retain   bool
	Accepted time.Time // when the board sent it; kept to the nanosecond
}
