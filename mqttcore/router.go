package mqttcore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// route leads the messages that match a filter to a handler.
type route struct {
	filter  []byte
	handler Handler
}

// Handle routes the messages that match a filter to a handler, instead of the
// one that the filter had. It subscribes to nothing. A message that matches
// several filters goes to each of their handlers, in the order in which these
// were added [MQTT-3.3.5-1]; one that matches none goes to OnMessage. Nil
// removes the route.
//
// Routes that stand before Run get what the broker has stored for the session.
// It fails with [ErrInvalid] if the filter is none.
func (c *Client) Handle(filter string, h Handler) error {
	if fault := packet.CheckFilter([]byte(filter)); fault != "" {
		return fmt.Errorf("%w: filter %s", ErrInvalid, fault)
	}
	if h == nil {
		c.unroute(filter)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	routes := slices.Clone(c.routes) // a delivery may be walking over the old one
	r := route{[]byte(filter), h}
	if i := c.routeOf(filter); i >= 0 {
		routes[i] = r
	} else {
		routes = append(routes, r)
	}
	c.routes = routes
	return nil
}

// unroute removes a filter's route, if it has one.
func (c *Client) unroute(filter string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.routeOf(filter); i >= 0 {
		c.routes = slices.Delete(slices.Clone(c.routes), i, i+1)
	}
}

// routeOf returns the place of a filter's route, or -1. The caller holds mu.
func (c *Client) routeOf(filter string) int {
	return slices.IndexFunc(c.routes, func(r route) bool { return bytes.Equal(r.filter, []byte(filter)) })
}

// unsubscribed reports whether the error of a blocking subscription means that
// the broker has not granted it and will not.
func unsubscribed(err error) bool {
	return err != nil && !errors.Is(err, ErrPending) && !errors.Is(err, ErrFateUnknown)
}
