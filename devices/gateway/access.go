package gateway

import (
	"bytes"
	"time"

	"golang.org/x/time/rate"

	"github.com/umqttd/umqttd/mqttcore"
)

// Access says what the boards of one device may do.
type Access struct {
	// Publish lists the topic filters a board may publish to; wills and QoS -1
	// count as publishing. Nil means everything, empty means nothing.
	Publish [][]byte
	// Subscribe lists the filters a board may subscribe to: a subscription must
	// lie wholly inside one of them. Nil means everything, empty means nothing.
	Subscribe [][]byte
}

// Limits bound what one node may send.
type Limits struct {
	// MessagesPerSecond is how many PUBLISH messages a node may send a second,
	// with bursts of one second's worth; those without a session, all together.
	// Zero or less means no limit.
	MessagesPerSecond float64
	// MaxPayload is the largest payload of a PUBLISH or will, in bytes. Zero or
	// less means whatever fits into a frame.
	MaxPayload int
}

// Topics under this prefix are answered by the gateway itself and never reach
// the broker.
var (
	localPrefix   = []byte("$umqttd/")
	timeTopic     = []byte("$umqttd/time")
	statusPrefix  = []byte("umqttd/")
	statusRoot    = []byte("umqttd")
	homeAssistant = []byte("homeassistant")
)

func isLocal(name []byte) bool { return bytes.HasPrefix(name, localPrefix) }

// mayPublish reports whether a board may publish to the topic name. The
// gateway's own topics and the broker's are never a board's; those of Home
// Assistant's discovery only where the configuration names them.
func (a *Access) mayPublish(name []byte) bool {
	if name[0] == '$' || bytes.HasPrefix(name, statusPrefix) || bytes.Equal(name, statusRoot) {
		return false
	}
	discovery := bytes.Equal(firstLevel(name), homeAssistant)
	if a.Publish == nil {
		return !discovery
	}
	for _, f := range a.Publish {
		if mqttcore.MatchFilter(f, name) && (!discovery || bytes.Equal(firstLevel(f), homeAssistant)) {
			return true
		}
	}
	return false
}

// maySubscribe reports whether every topic that the filter can match is allowed.
func (a *Access) maySubscribe(filter []byte) bool {
	if a.Subscribe == nil {
		return true
	}
	for _, f := range a.Subscribe {
		if mqttcore.FilterCovers(f, filter) {
			return true
		}
	}
	return false
}

func firstLevel(name []byte) []byte {
	level, _, _ := bytes.Cut(name, []byte("/"))
	return level
}

// newLimiter returns the token bucket of one node, nil for no limit.
func (l *Limits) newLimiter() *rate.Limiter {
	if l.MessagesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(l.MessagesPerSecond), max(1, int(l.MessagesPerSecond)))
}

// SetLimits bounds from now on what the nodes may send. Each begins with a full second's
// worth.
func (g *Gateway) SetLimits(limits Limits) {
	g.cfg.Limits = limits
	g.limiter = limits.newLimiter()
	for _, n := range g.byID {
		n.limiter = limits.newLimiter()
	}
}

func withinRate(r *rate.Limiter, now time.Time) bool { return r == nil || r.AllowN(now, 1) }
