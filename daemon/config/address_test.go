package config

import "testing"

func TestOnLoopback(t *testing.T) {
	for in, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "192.168.1.2:1": false, "pi-attic:1": false, "nonsense": false,
	} {
		if onLoopback(in) != want {
			t.Errorf("%s: want %v", in, want)
		}
	}
}

func TestSameAddress(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:1883", "127.0.0.1:1883", true}, {":1883", "127.0.0.1:1883", true}, {"LocalHost:1883", "localhost:1883", true},
		{"127.0.0.1:1883", "127.0.0.1:9884", false}, {"127.0.0.1:1883", "127.0.0.2:1883", false}, {":0", ":0", false}, {"x", "x", false},
	} {
		if got := sameAddress(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: got %v", c.a, c.b, got)
		}
	}
}

func TestLabel(t *testing.T) {
	for url, want := range map[string]string{
		"embedded": "embedded", "mqtts://h:8883": "mqtts://h:8883", "wss://h/mqtt?signature=secret": "wss://h/mqtt",
	} {
		if got := (&Broker{URL: url}).Label(); got != want {
			t.Errorf("%s: got %s", url, got)
		}
	}
}
