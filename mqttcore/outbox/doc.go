// Package outbox keeps messages on disk until the broker has acknowledged them:
// a segment log of one writer, made for flash memory and power cuts.
//
// [Log.Append] adds to the open commit, in memory. [Log.Commit] stores it with
// one write and one sync; after that it is safe. [Log.Read] returns a client's
// messages in order, [Log.Ack] ends them. One goroutine uses a Log; calls block.
//
// # On disk
//
// A folder of segments, 0000000000000001.seg and on, each written with zeros
// and synced, with its folder, before it is used, so that a commit changes data
// only. Little-endian; CRC is CRC-32C, in records with the salt as start value.
//
//	segment = header record* zeros
//
//	header   0  8  "umqttdOB"
//	         8  4  version, 1
//	        12  4  size of the segment
//	        16  8  number, that of the file's name
//	        24  8  first sequence number that may be new in it
//	        32  8  number of the segment before, 0 for none
//	        40  4  where that one ends
//	        44  4  salt, random
//	        48 12  zeros
//	        60  4  CRC of bytes 0 to 59
//
//	record   0  2  4F51
//	         2  1  kind: 1 message, 2 ack, 3 state, 4 quarantine, 5 moved
//	         3  1  flags: 0-1 QoS, 2 retain, 3 first of a commit, 4 copy, 5 no state
//	         4  4  CRC of bytes 0 to 3 and 8 to 39
//	         8  4  CRC of the body
//	        12  4  length of the body, at most 192 KiB
//	        16  8  sequence number; ack: up to which; moved: segment of the first copy
//	        24  8  time in ns since 1970, 0 for none; moved: offset of the first copy
//	        32  4  copy and moved: number of the source segment, low half
//	        36  2  length of the client id
//	        38  2  length of the topic
//	        40     body: client id, topic, payload or state
//	               quarantine: then reason, number of the message (8), length of the reason (2)
//	               zeros up to a multiple of 8
//
// # Why a crash loses nothing
//
// A commit is written behind the last one, into zeros, in one segment, and
// synced before anything else is written. So only the last commit of the last
// segment can be incomplete. Sectors of it that are missing still hold zeros:
// what stands behind the first of those is cut off, and overwritten with zeros
// before anything is appended. Every other hole is a stored record that has
// rotted; it is skipped, and reported. A commit that follows proves that the one
// before was stored, which is what the flag first is for.
//
// After a write or sync that failed nobody knows what is on the disk. The
// segment ends before that commit, for ever: the next segment's header says so,
// and is synced before the first record in it.
//
// Segments go from the oldest on. What matters in the oldest is copied behind
// the newest first. A copy does not count while its source exists, nor if it
// stands before the place that the last record moved names: it is then of an
// attempt that was given up. The removal is synced before the next one.
//
// Acknowledgements are written late. What is lost of them makes messages come
// again, never go.
//
// # Invariants
//
// Sequence numbers ascend over the whole log, and none is given out again while
// the disk knows it. What Read returns of a client ascends. Memory depends on the
// number of clients and segments, not of messages. Nothing is written while
// nothing is appended, and an empty log has no segment.
//
// # Limits
//
// A message whose payload has a whole sector of zeros, that rots in the very
// last commit before a crash, is taken for one that was never written, and what
// follows it in that commit with it. Filling the disk by three quarters with
// messages that nobody takes makes every other message cost up to three moves.
package outbox
