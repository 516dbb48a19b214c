package mosquitto

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
)

// firstPort is where the search for a port begins.
const firstPort = 16384

// freePort returns a port of loopback on which nobody listens, below the range that the kernel gives to outgoing connections: while the broker
// is down, for a Restart, no client's own socket shall take the port. Somebody else may still be quicker; Start then tries another.
func freePort(t testing.TB) int {
	t.Helper()
	limit := firstEphemeral()
	for range 100 {
		port := 0 // the kernel's choice, where there is no room below its range
		if limit > firstPort {
			port = firstPort + rand.IntN(limit-firstPort)
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		port = listener.Addr().(*net.TCPAddr).Port
		if err := listener.Close(); err != nil {
			t.Fatalf("mosquitto: %v", err)
		}
		return port
	}
	t.Fatal("mosquitto: no port of loopback is free")
	return 0
}

// firstEphemeral returns where the range of outgoing connections begins.
func firstEphemeral() int {
	first := 32768 // Linux's default
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &first)
	}
	return first
}
