package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/board/sim"
)

// programTopics returns what the board publishes to: what --topic says, or a
// mix of QoS 1 and 0.
func (f *simFlags) programTopics(id string) ([]sim.Topic, error) {
	if f.topics == nil {
		return []sim.Topic{
			{Name: "sensors/" + id + "/temperature", QoS: f.qos, Interval: f.interval},
			{Name: "sensors/" + id + "/humidity", QoS: min(f.qos, 0), Interval: f.interval},
		}, nil
	}
	var topics []sim.Topic
	for _, arg := range f.topics {
		t, err := f.parseTopic(arg)
		if err != nil {
			return nil, fmt.Errorf("--topic %q: %w", arg, err)
		}
		topics = append(topics, t)
	}
	return topics, nil
}

// parseTopic reads TOPIC[,qos=N][,interval=D][,size=N][,retain].
func (f *simFlags) parseTopic(arg string) (sim.Topic, error) {
	name, options, _ := strings.Cut(arg, ",")
	t := sim.Topic{Name: name, QoS: f.qos, Interval: f.interval}
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		var err error
		switch key {
		case "":
		case "retain":
			t.Retain = true
		case "qos":
			t.QoS, err = strconv.Atoi(value)
		case "size":
			t.Size, err = strconv.Atoi(value)
		case "interval":
			t.Interval, err = time.ParseDuration(value)
		default:
			return t, fmt.Errorf("unknown option %q; write qos=N, interval=D, size=N or retain", key)
		}
		if err != nil {
			return t, fmt.Errorf("%s=%s: not understood", key, value)
		}
	}
	return t, nil
}

// parseWill reads TOPIC=MESSAGE. The message may be empty.
func parseWill(arg string) (*board.Will, error) {
	if arg == "" {
		return nil, nil
	}
	topic, message, ok := strings.Cut(arg, "=")
	if !ok || topic == "" {
		return nil, fmt.Errorf("--will %q: write TOPIC=MESSAGE", arg)
	}
	return &board.Will{Topic: topic, Message: []byte(message), QoS: 1, Retain: true}, nil
}

// parsePredefined reads ID=TOPIC.
func parsePredefined(args []string) (map[uint16]string, error) {
	topics := make(map[uint16]string)
	for _, arg := range args {
		number, name, _ := strings.Cut(arg, "=")
		id, err := strconv.ParseUint(number, 10, 16)
		if err != nil || name == "" {
			return nil, fmt.Errorf("--predefined %q: write ID=TOPIC, such as 1=sensors/door", arg)
		}
		topics[uint16(id)] = name
	}
	return topics, nil
}
