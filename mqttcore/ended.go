package mqttcore

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// ended reports the end of a connection that had stood for up, or with 0 of an
// attempt to make one, and returns the time until the next attempt. Last says
// that there will be none, as somebody wants it so.
func (e *engine) ended(b *backoff, up time.Duration, err error, last bool) time.Duration {
	s := State{Kind: Disconnected, Err: err}
	var refused *RefusedError
	if errors.As(err, &refused) {
		s.Kind, s.Code = Refused, refused.Code
		e.count.Refusals++
	}
	s.ByPeer = up > 0 && endedByPeer(err)
	e.wary = e.wary || s.ByPeer
	b.ended(up)
	switch {
	case last:
	case s.Kind == Refused && s.Code != packet.RefusedUnavailable:
		s.Retry = b.longest(e.cfg.Rand()) // asking again soon changes nothing
	default:
		s.Retry = b.next(e.cfg.Rand())
	}
	if up == 0 && !last {
		s.Attempt = b.failed
		e.count.Failures++
	}
	if up > 0 || !last {
		e.report(s)
	}
	return s.Retry
}

// endedByPeer reports whether err is what a socket says whose other end has
// closed or reset it, over TCP, TLS or a WebSocket.
func endedByPeer(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return !errors.Is(err, ErrProtocol)
		}
	}
	return websocket.CloseStatus(err) >= 0
}
