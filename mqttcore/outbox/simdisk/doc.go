// Package simdisk is a disk in memory on which power can be cut, for tests and
// simulations of what keeps its promises on a real one.
//
// A [Disk] is an [outbox.FS]. It knows what was synced. [Disk.Crash] leaves of
// the rest whatever a random number says: each sector of each write that was
// not followed by a sync may be there, missing, or there in part, and of the
// files made and removed since the folder was synced, those up to some point.
// [Disk.Kill] is the end of the process alone: everything written stays.
//
// Faults are switched on by fields: a disk that is full, writes and syncs that
// fail, power that is cut at a certain operation. A sync that failed drops what
// it was to write, as kernels do, and the next one succeeds: whoever believes
// that one has lost data.
//
// A Disk may be used by several goroutines. Given the same calls and the same
// random numbers it does the same.
package simdisk
