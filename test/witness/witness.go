// Package witness is the other end of a test in which the broker may be killed: one MQTT client with a persistent session that says exactly what the broker is
// responsible for, and what it is not.
//
// A mosquitto that is killed forgets what it acknowledged since it saved its state last. That would be a loss that is not umqttd's, so a test kills it only while
// the witness is Online, and gives the broker the BrokerLines: no limit of messages in flight, and no Nagle algorithm. Then a message has left for the witness before
// the broker acknowledges it to its publisher: mosquitto passes a message on to those who subscribe, and then sends PUBACK. What has arrived in a socket survives the
// process that wrote it; what still waits to leave, for an acknowledgement of TCP, does not if there is something left to read. And the witness reads to the end of every
// connection before it gives it up, whatever becomes of its own words.
//
// The other way, a message that the witness publishes counts as sent when the broker has acknowledged it and, asked after that, has answered PINGREQ: it saves
// its state between two rounds of its loop, so by then it is on its disk. Everything else is published again on the next connection, in order.
package witness

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/patience"
)

// BrokerLines are what mosquitto.conf must have.
var BrokerLines = []string{"max_inflight_messages 0", "set_tcp_nodelay true"}

// Message is what was published, or arrived.
type Message struct{ Topic, Payload string }

// Witness is a client. Its methods may be called from any goroutine.
type Witness struct {
	t               testing.TB
	address, id     string
	filter          string
	finished, ended chan struct{}

	mu       sync.Mutex
	conn     net.Conn // nil: none
	online   bool     // subscribed on conn
	arrived  []Message
	unsure   []Message // published and not known to be on the broker's disk
	acked    int       // of these, acknowledged on conn
	pinged   int       // of these, acknowledged before PINGREQ was sent
	pinging  bool      // PINGREQ is not answered
	messages uint16    // ids given on conn
}

// New starts a witness of what the filter matches, and waits until its session is on the broker's disk.
func New(t testing.TB, address, id, filter string) *Witness {
	t.Helper()
	w := &Witness{t: t, address: address, id: id, filter: filter, finished: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	t.Cleanup(w.finish)
	w.Publish("witness/"+id, "")
	patience.Wait(t, "the witness is subscribed", func() bool { return w.Online() && w.Unsure() == 0 })
	return w
}

func (w *Witness) finish() {
	close(w.finished)
	w.mu.Lock()
	if w.conn != nil {
		_ = w.conn.Close()
	}
	w.mu.Unlock()
	<-w.ended
}

// run connects, again and again.
func (w *Witness) run() {
	defer close(w.ended)
	const pause = 10 * time.Millisecond
	for tick := time.NewTicker(pause); ; {
		select {
		case <-w.finished:
			tick.Stop()
			return
		case <-tick.C:
		}
		conn, err := net.Dial("tcp", w.address)
		if err != nil {
			continue
		}
		w.begin(conn)
		w.read(bufio.NewReader(conn))
		w.over()
		_ = conn.Close()
	}
}

// begin says CONNECT, SUBSCRIBE, and what is not known to have arrived.
func (w *Witness) begin(conn net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn, w.acked, w.pinged, w.pinging, w.messages = conn, 0, 0, false, 0
	select {
	case <-w.finished: // and this connection was not there to be closed
		_ = conn.Close()
		return
	default:
	}
	w.send(0x10, []byte("\x00\x04MQTT\x04\x00\x00\x00"), text(w.id)) // MQTT 3.1.1, CleanSession=0, no keepalive
	w.send(0x82, []byte{0xFF, 0xFF}, text(w.filter), []byte{1})
	for _, m := range w.unsure {
		w.sendMessage(m)
	}
}

func (w *Witness) over() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn, w.online = nil, false
}

// send writes a packet. An error is found by reading.
func (w *Witness) send(first byte, parts ...[]byte) {
	body := slices.Concat(parts...)
	packet := binary.AppendUvarint([]byte{first}, uint64(len(body))) // MQTT's remaining length is written so
	_ = w.conn.SetWriteDeadline(time.Now().Add(patience.Limit))
	_, _ = w.conn.Write(append(packet, body...))
}

func (w *Witness) sendMessage(m Message) {
	if w.messages++; w.messages == 0xFFFF {
		w.messages = 1
	}
	w.send(0x32, text(m.Topic), binary.BigEndian.AppendUint16(nil, w.messages), []byte(m.Payload))
}

// text is a string as MQTT writes it.
func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

// read takes what comes until the connection ends.
func (w *Witness) read(r *bufio.Reader) {
	for {
		first, err := r.ReadByte()
		if err != nil {
			return
		}
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		w.take(first, body)
	}
}

func (w *Witness) take(first byte, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch first >> 4 {
	case 3: // PUBLISH
		n := 2 + int(binary.BigEndian.Uint16(body))
		m := Message{Topic: string(body[2:n])}
		if qos := first >> 1 & 3; qos > 0 {
			w.send(0x40, body[n:n+2])
			n += 2
		}
		m.Payload = string(body[n:])
		w.arrived = append(w.arrived, m)
	case 4: // PUBACK
		w.acked++
	case 9: // SUBACK
		w.online = true
	case 13: // PINGRESP
		w.unsure = w.unsure[w.pinged:]
		w.acked -= w.pinged
		w.pinging = false
	}
	if w.acked > 0 && !w.pinging {
		w.pinging, w.pinged = true, w.acked
		w.send(0xC0)
	}
}

// Publish publishes a message with QoS 1, now and until it is known to have arrived.
func (w *Witness) Publish(topic, payload string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := Message{topic, payload}
	w.unsure = append(w.unsure, m)
	if w.conn != nil {
		w.sendMessage(m)
	}
}

// Unsure returns how many messages are not known to be on the broker's disk.
func (w *Witness) Unsure() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.unsure)
}

// Online reports whether everything that the broker acknowledges from now on, and all that it did before, is on its way here or has come.
func (w *Witness) Online() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.online
}

// Arrived returns what has come since the first n messages.
func (w *Witness) Arrived(n int) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.arrived[n:])
}
