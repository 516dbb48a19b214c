package mqttcore_test

import (
	"context"
	"net"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// dialExample takes the place of a broker and a Dialer in the examples: a
// broker with one client, which gets the messages back that match one of its
// subscriptions.
func dialExample(context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	go serveExample(server)
	return client, nil
}

func serveExample(conn net.Conn) {
	defer conn.Close()
	var in, out []byte
	var filters [][]byte
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		in = append(in, buf[:n]...)
		for {
			size, err := packet.Size(in, 1<<20)
			if err != nil {
				return
			}
			if size == 0 || size > len(in) {
				break
			}
			if packet.TypeOf(in[0]) == packet.DISCONNECT {
				return
			}
			out, filters = answerExample(out, filters, in[:size])
			in = in[size:]
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}

func answerExample(out []byte, filters [][]byte, p []byte) ([]byte, [][]byte) {
	switch packet.TypeOf(p[0]) {
	case packet.CONNECT:
		out = packet.Connack{}.Append(out)
	case packet.SUBSCRIBE:
		id, subscriptions, _ := packet.ParseSubscribe(p)
		filters = append(filters, append([]byte(nil), subscriptions[0].Filter...))
		out = packet.AppendSuback(out, id, subscriptions[0].QoS)
	case packet.PUBLISH:
		m, _ := packet.ParsePublish(p)
		if m.QoS > 0 {
			out = packet.AppendPuback(out, m.ID)
		}
		for _, f := range filters {
			if mqttcore.MatchFilter(f, m.Topic) {
				m.ID, m.Dup = 1, false
				out = m.Append(out)
				break
			}
		}
	}
	return out, filters
}
