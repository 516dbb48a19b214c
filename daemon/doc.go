// Package daemon makes a running gateway of a configuration: it wires devices,
// sessions, brokers and servers together, runs them, and stops them in order.
//
// Everything long-lived is a task with Run, Ready and String. Tasks stand in
// three stages, started from the last to the first and stopped from the first
// to the last:
//
//	devices           tell their boards to connect anew, cut their sessions
//	own session       says that everything is offline
//	infrastructure    embedded broker, HTTP, port watcher, monitor socket, watchdog
//
// One device's trouble is its own: a port that is missing is waited for, and a
// device that panics is logged and built anew. Infrastructure that cannot start
// ends the program, since the operator asked for it.
package daemon
