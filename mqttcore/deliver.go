package mqttcore

import "time"

// accept puts a message received now into the inbox. It waits for room if it
// must, and returns what time it is then. The caller holds mu, which is
// released during the wait, and looks whether the link is still alive.
func (c *Client) accept(l *link, now time.Time, in *inbound) time.Time {
	size := len(in.Topic) + len(in.Payload)
	if in.QoS == 0 && c.inbox.full(&c.cfg, size, 1) {
		c.engine.count.InboxDropped++
		return now
	}
	later := now
	if c.crowded(size) {
		c.makeRoom(l, size)
		later = time.Now()
	}
	if l.dead {
		return later
	}
	c.inbox.push(in.item(now))
	if !c.delivering {
		c.delivering = true
		go c.deliverFn()
	}
	return later
}

// item returns a copy of a message received now, on its way to the application.
func (in *inbound) item(now time.Time) *item {
	it := newItem(itemInbound)
	it.text = append(append(it.text, in.Topic...), in.Payload...)
	it.topicLen = len(in.Topic)
	it.qos, it.retain, it.dup = in.QoS, in.Retain, in.Dup
	it.token = in.id
	it.accepted = now
	return it
}

// delivery returns what the application gets to see of it.
func (it *item) delivery() Delivery {
	return Delivery{
		ID: it.token, Topic: it.topic(), Payload: it.payload(),
		QoS: it.qos, Retain: it.retain, Dup: it.dup, Received: it.accepted,
	}
}

// makeRoom waits until a message of size bytes fits into the inbox, or the
// link is dead.
func (c *Client) makeRoom(l *link, size int) {
	c.engine.count.InboxPauses++
	c.engine.keepalive.pause(time.Now(), true)
	c.leave() // what came before this message is not held up by it
	c.callHooks()
	c.mu.Lock()
	c.paused = true
	for !l.dead && c.engine.phase == online && c.crowded(size) {
		c.change.Wait()
	}
	c.paused = false
	c.engine.keepalive.pause(time.Now(), false)
}

// crowded reports whether the reader has to wait before a message of size
// bytes. Blocking calls get their room first, and if that is not enough, an
// end of their wait.
func (c *Client) crowded(size int) bool {
	if c.waits == 0 {
		return c.inbox.full(&c.cfg, size, 1)
	}
	if !c.inbox.full(&c.cfg, size, waitFactor) {
		return false
	}
	c.abandonWaits(ErrInboxFull)
	return true
}

// deliver runs handlers until the inbox is empty or Run ends.
func (c *Client) deliver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.ending {
		it := c.inbox.pop()
		if it == nil {
			break
		}
		routes := c.routes
		if c.paused {
			c.change.Broadcast()
		}
		c.mu.Unlock()
		handled := c.handle(routes, it)
		c.mu.Lock()
		if !handled {
			c.engine.count.Unhandled++
		}
		if !c.cfg.ManualAck || !handled {
			c.engine.release(it.token)
		}
		recycle(it)
		c.leave()
		c.mu.Lock()
	}
	c.delivering = false
	c.change.Broadcast()
}

// handle gives a message to every handler whose filter it matches, and
// otherwise to OnMessage. It reports whether there was one.
func (c *Client) handle(routes []route, it *item) bool {
	d := it.delivery()
	handled := false
	for i := range routes {
		if MatchFilter(routes[i].filter, d.Topic) {
			routes[i].handler(d)
			handled = true
		}
	}
	if !handled && c.cfg.OnMessage != nil {
		c.cfg.OnMessage(d)
		handled = true
	}
	return handled
}
