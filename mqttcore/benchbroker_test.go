package mqttcore

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// A benchmark's broker is a process of its own, this test binary once more, so
// that only the client's CPU time and memory are counted. It accepts everybody,
// acknowledges everything, and sends a flood of messages to whoever subscribes
// to flood/<QoS>.

const benchBrokerEnv = "MQTTCORE_BENCH_BROKER"

// startBenchBroker starts the process and returns a dial function.
func startBenchBroker(b *testing.B) func(ctx context.Context) (net.Conn, error) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchBrokerEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // its end is the sign to end
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return func(ctx context.Context) (net.Conn, error) {
		d := net.Dialer{KeepAlive: -1}
		return d.DialContext(ctx, "tcp", strings.TrimSpace(addr))
	}
}

// benchBroker is the process.
func benchBroker() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveBench(conn)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func serveBench(conn net.Conn) {
	defer conn.Close()
	var in readBuffer
	var out []byte
	for {
		n, err := conn.Read(in.space())
		if err != nil {
			return
		}
		in.filled(n)
		for p, err := in.next(0); p != nil && err == nil; p, err = in.next(0) {
			out = benchAnswer(conn, out, p)
		}
		in.rest(n)
		if _, err := conn.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}

func benchAnswer(conn net.Conn, out, p []byte) []byte {
	switch packet.TypeOf(p[0]) {
	case packet.CONNECT:
		return packet.Connack{}.Append(out)
	case packet.PUBLISH:
		if m, _ := packet.ParsePublish(p); m.QoS > 0 {
			return packet.AppendPuback(out, m.ID)
		}
	case packet.SUBSCRIBE:
		id, filters, _ := packet.ParseSubscribe(p)
		if strings.HasPrefix(string(filters[0].Filter), "flood/") {
			go benchFlood(conn, filters[0].Filter[6]-'0')
		}
		return packet.AppendSuback(out, id, filters[0].QoS)
	case packet.PINGREQ:
		return packet.AppendPingresp(out)
	}
	return out
}

// benchFlood sends messages until the connection ends, in bursts of twenty.
func benchFlood(conn net.Conn, qos byte) {
	m := packet.Publish{Topic: []byte("sensors/greenhouse/temperature"), Payload: make([]byte, 64), QoS: qos}
	var out []byte
	for id := uint16(1); ; {
		out = out[:0]
		for range 20 {
			m.ID = id
			out = m.Append(out)
			id = idAfter(id, 1)
		}
		_ = conn.SetWriteDeadline(time.Now().Add(time.Minute))
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}
