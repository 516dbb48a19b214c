package main

import (
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// keep puts messages into an outbox, as a gateway would have; -aside makes the first
// one a message that the broker does not take.
//
//	keep [-aside] outbox/greenhouse CLIENT PAYLOAD...
func keep(ts *testscript.TestScript, neg bool, args []string) {
	aside := len(args) > 0 && args[0] == "-aside"
	if aside {
		args = args[1:]
	}
	if neg || len(args) < 3 {
		ts.Fatalf("usage: keep [-aside] FOLDER CLIENT PAYLOAD...")
	}
	log, err := outbox.Open(outbox.Config{Dir: ts.MkAbs(args[0])})
	ts.Check(err)
	var first uint64
	for _, payload := range args[2:] {
		seq, err := log.Append(&outbox.Message{
			Client: args[1], Topic: []byte("sensors/t"), Payload: []byte(payload), QoS: 1, Accepted: time.Now().Add(-5 * time.Minute),
		})
		ts.Check(err)
		if first == 0 {
			first = seq
		}
	}
	ts.Check(log.Commit())
	if aside {
		ts.Check(log.Quarantine(args[1], first, "too salty"))
		ts.Check(log.Commit())
	}
	ts.Check(log.Close())
}

func TestByteText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 9999: "9999 B", 10240: "10.0 KiB", 3 << 20: "3.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := byteText(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

func TestAgeText(t *testing.T) {
	now := time.Now()
	for age, want := range map[time.Duration]string{
		-time.Second: "0 s", 59 * time.Second: "59 s", 90 * time.Minute: "1 h", 3 * time.Minute: "3 min", 47 * time.Hour: "47 h", 49 * time.Hour: "2 d",
	} {
		if got := ageText(now, now.Add(-age)); got != want {
			t.Errorf("%v ago is %s, want %s", age, got, want)
		}
	}
	if got := ageText(now, time.Time{}); got != "unknown" {
		t.Errorf("never is %s", got)
	}
}
