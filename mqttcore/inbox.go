package mqttcore

// inbox holds messages that were received and that no handler has begun. It
// keeps a slow handler from holding up acknowledgements and PINGRESPs.
//
// It is bounded. Beyond that QoS 0 messages are dropped, and a QoS 1 message
// makes the reader wait, so that TCP holds the broker back.
type inbox struct {
	queue list
	bytes int
}

// waitFactor is how far an inbox may outgrow its bounds while a blocking call
// waits for an acknowledgement. The caller may be a handler, and what it waits
// for may stand behind messages that only this handler could take away.
const waitFactor = 4

// full reports whether a message of size bytes is over the bounds, factor
// times those of the configuration. A single message always fits.
func (b *inbox) full(cfg *Config, size, factor int) bool {
	return b.queue.n > 0 && (b.queue.n >= factor*cfg.MaxInbox || b.bytes+size > factor*cfg.MaxInboxBytes)
}

func (b *inbox) push(it *item) {
	b.queue.pushBack(it)
	b.bytes += len(it.text)
}

func (b *inbox) pop() *item {
	it := b.queue.pop()
	if it != nil {
		b.bytes -= len(it.text)
	}
	return it
}

// drop removes the messages that fit.
func (b *inbox) drop(which func(*item) bool) {
	for it := b.queue.head; it != nil; {
		next := it.next
		if which(it) {
			b.queue.remove(it)
			b.bytes -= len(it.text)
			recycle(it)
		}
		it = next
	}
}
