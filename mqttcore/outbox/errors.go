package outbox

import "errors"

// Refusals of Append and PutState, which leave the open commit as it was.
var (
	// ErrFull: there is no room within [Config.MaxBytes], or in the open
	// commit, which holds no more than one segment. Acknowledgements and a
	// Commit make room.
	ErrFull = errors.New("outbox: full")
	// ErrTooLarge: the message or state fits into no segment.
	ErrTooLarge = errors.New("outbox: record is too large")
	// ErrClosed: the log is closed.
	ErrClosed = errors.New("outbox: log is closed")
	// ErrNotOldest: only the oldest message of a client can go to the
	// quarantine.
	ErrNotOldest = errors.New("outbox: not the client's oldest message")
)

// Refusals of Open and Inspect. They are wrapped with the file's path and with
// what to do about it. Nothing has been changed.
var (
	// ErrLocked: another process, or another Log of this one, has the folder.
	ErrLocked = errors.New("is in use by another umqttd")
	// ErrForeign: a file that no outbox wrote, or a segment under a wrong name.
	ErrForeign = errors.New("is no file of this outbox")
	// ErrNewer: a segment in a format that this version does not know.
	ErrNewer = errors.New("was written by a newer version")
	// ErrDamaged: a segment whose header does not fit its checksum or its
	// length, so that nothing in it can be trusted.
	ErrDamaged = errors.New("has a damaged header")
)
