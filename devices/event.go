package devices

import (
	"net/netip"
	"time"

	"github.com/umqttd/umqttd/devices/gateway"
	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// eventKind says what an event tells the loop of a Device.
type eventKind uint8

const (
	portOpened   eventKind = iota + 1 // stream or socket is set
	portFailed                        // it could not be opened: err
	portLost                          // it was open and is gone: err
	bytesRead                         // data, of a stream or from addr
	bytesWritten                      // a slow write has ended: err
	sessionState                      // session, state
	sessionEnded                      // session: its Run has returned
	published                         // session, completion
	subscribed                        // session, subCompletion
	delivered                         // session, inbound
	statusWanted                      // answer
	adjustWanted                      // nothing: the loop is to turn
	watchWanted                       // watcher
	watchEnded                        // watcher

	outboxOpened    // clients
	outboxUnusable  // err
	outboxChanged   // outbox
	messagesStored  // results
	messagesLoaded  // loaded
	messagesEvicted // evicted
)

// event is what other goroutines tell the loop of a Device. Which fields count
// depends on kind.
type event struct {
	kind eventKind
	link uint32 // which opening of the port it is about
	at   time.Time
	err  error

	stream port.Port
	socket *port.UDP
	data   []byte
	addr   netip.AddrPort

	session       *session
	state         *mqttcore.State
	completion    mqttcore.Completion
	subCompletion mqttcore.SubCompletion
	inbound       *gateway.Inbound

	answer  chan<- Status
	watcher *Watch

	clients []restoredClient
	outbox  *outboxNews
	results []storeResult
	loaded  *loadedMessages
	evicted []outbox.Evicted
}
