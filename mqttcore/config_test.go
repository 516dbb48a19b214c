package mqttcore

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// The defaults are what the comments of Config say.
func TestConfigDefaults(t *testing.T) {
	c, err := Config{Dial: noDial, ClientID: "x"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][2]time.Duration{
		"KeepAlive":      {c.KeepAlive, 30 * time.Second},
		"ConnectTimeout": {c.ConnectTimeout, 30 * time.Second},
		"WriteTimeout":   {c.WriteTimeout, 10 * time.Second},
		"PingTimeout":    {c.pingTimeout(), 10 * time.Second},
		"BackoffMin":     {c.BackoffMin, 500 * time.Millisecond},
		"BackoffMax":     {c.BackoffMax, time.Minute},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %v, want %v", name, got[0], got[1])
		}
	}
	for name, got := range map[string][2]int{
		"MaxInflight":    {c.MaxInflight, 20},
		"MaxQueued":      {c.MaxQueued, 1000},
		"MaxQueuedBytes": {c.MaxQueuedBytes, 16 << 20},
		"MaxPacket":      {c.MaxPacket, 1 << 20},
		"MaxInbox":       {c.MaxInbox, 100},
		"MaxInboxBytes":  {c.MaxInboxBytes, 1 << 20},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %d, want %d", name, got[0], got[1])
		}
	}
	if c.SessionLost != Republish || c.ManualAck || c.CleanSession || c.Will != nil {
		t.Errorf("%+v", c)
	}
	if c, err := (Config{Dial: noDial, ClientID: "x", BackoffMin: 2 * time.Minute}).withDefaults(); err != nil || c.BackoffMax != 2*time.Minute {
		t.Errorf("BackoffMax is %v with a longer BackoffMin, %v", c.BackoffMax, err)
	}
}

func TestKeepAliveOnTheWire(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		0: 30 * time.Second, -1: 0, 1: time.Second, time.Second: time.Second, 1001 * time.Millisecond: 2 * time.Second,
		65535 * time.Second: 65535 * time.Second,
	} {
		s, err := Session{ClientID: "x", KeepAlive: in}.withDefaults()
		if err != nil || s.KeepAlive != want {
			t.Errorf("KeepAlive %v becomes %v, %v, want %v", in, s.KeepAlive, err, want)
		}
	}
}

func TestConfigIsRefusedWithAllItsFaults(t *testing.T) {
	_, err := New(Config{
		ClientID: "\xff", MaxInflight: 65536, MaxQueued: -1, WriteTimeout: -1, BackoffMin: time.Hour, BackoffMax: time.Minute,
		SessionLost: 7, Subscriptions: []Subscription{{[]byte("a#"), 1}, {[]byte("a"), 2}}, PingTimeout: time.Minute, Password: func() ([]byte, error) { return nil, nil },
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"Dial", "ClientID", "MaxInflight", "MaxQueued", "WriteTimeout", "BackoffMax", "SessionLost", "Subscriptions[0]", "Subscriptions[1]", "PingTimeout", "Password"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %s", err, part)
		}
	}
}

func TestSessionFaults(t *testing.T) {
	for part, s := range map[string]Session{
		"ClientID is empty":  {},                                                                                // [MQTT-3.1.3-7]
		"KeepAlive":          {ClientID: "x", KeepAlive: 65536 * time.Second},                                   //
		"Will: mqttcore: in": {ClientID: "x", Will: &Message{Topic: []byte("a/#")}},                             //
		"payload of 65536":   {ClientID: "x", Will: &Message{Topic: []byte("a"), Payload: make([]byte, 65536)}}, //
		"QoS 2":              {ClientID: "x", Will: &Message{Topic: []byte("a"), QoS: 2}},
	} {
		if _, err := s.withDefaults(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%+v: %v, want %s", s, err, part)
		}
	}
	if _, err := (Session{CleanSession: true}).withDefaults(); err != nil {
		t.Errorf("no identifier with CleanSession: %v", err)
	}
	if _, err := (Session{ClientID: "x", Will: &Message{Topic: []byte("#")}}).withDefaults(); !errors.Is(err, ErrInvalid) {
		t.Errorf("bad will: %v", err)
	}
}

// The will is copied: the caller's buffer may change.
func TestWillIsCopied(t *testing.T) {
	topic := []byte("status")
	c, err := New(Config{Dial: noDial, ClientID: "x", Will: &Message{Topic: topic, Payload: topic}})
	if err != nil {
		t.Fatal(err)
	}
	topic[0] = '#'
	if string(c.cfg.Will.Topic) != "status" || string(c.cfg.Will.Payload) != "status" {
		t.Errorf("will is %s, %s", c.cfg.Will.Topic, c.cfg.Will.Payload)
	}
}
