package mqttcore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// dial connects and makes the engine ready to send CONNECT.
func (c *Client) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	c.mu.Lock()
	c.cancelDial = cancel
	ending := c.ending
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.cancelDial = nil
		c.mu.Unlock()
	}()
	if ending {
		return nil, context.Canceled
	}
	connect, err := c.cfg.connectPacket()
	if err != nil {
		return nil, err
	}
	conn, err := c.cfg.Dial(ctx)
	if err != nil {
		return nil, err // Dialer says where it was going
	}
	l := &link{conn: conn}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		conn.Close()
		return nil, context.Canceled
	}
	c.link = l
	c.engine.open(connect)
	c.stir()
	return l, nil
}

// connectPacket returns CONNECT for the present session.
func (c *Config) connectPacket() ([]byte, error) {
	p := packet.Connect{
		ClientID:     []byte(c.ClientID),
		CleanSession: c.CleanSession,
		KeepAlive:    uint16(c.KeepAlive / time.Second),
		HasUsername:  c.Username != "",
		Username:     []byte(c.Username),
	}
	if w := c.Will; w != nil {
		p.HasWill, p.WillRetain, p.WillQoS, p.WillTopic, p.Will = true, w.Retain, w.QoS, w.Topic, w.Payload
	}
	if c.Password != nil {
		password, err := c.Password()
		if err != nil {
			return nil, fmt.Errorf("mqttcore: password: %w", err)
		}
		if len(password) > 65535 {
			return nil, errors.New("mqttcore: password is longer than 65535 bytes")
		}
		p.HasPassword, p.Password = true, password
	}
	return p.Append(nil), nil
}
