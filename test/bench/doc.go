// Package bench measures the umqttd binary from outside, between a board on a pty and a real mosquitto: latency against a client that talks to the same broker
// straight, processor time a message, and resident memory. What it prints goes into docs/benchmarks.md.
//
//	go test -run '^$' -bench . -benchtime 10s ./test/bench
package bench
