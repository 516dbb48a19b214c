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
