package config

import "testing"

func TestParsePort(t *testing.T) {
	for in, want := range map[string]Port{
		"/dev/ttyUSB0":     {TTYPort, "/dev/ttyUSB0"},
		"/dev/pts/3":       {TTYPort, "/dev/pts/3"},
		"/tmp/board":       {TTYPort, "/tmp/board"},
		"tcp://Host:23":    {TCPPort, "host:23"},
		"tcp://[::1]:23":   {TCPPort, "[::1]:23"},
		"udp://:1884":      {UDPPort, "127.0.0.1:1884"},
		"udp://[::]:1884":  {UDPPort, "[::]:1884"},
		"udp://0.0.0.0:01": {},
	} {
		got, ok := ParsePort(in)
		if want == (Port{}) {
			if ok {
				t.Errorf("%s: got %v, want none", in, got)
			}
			continue
		}
		if got != want || !ok {
			t.Errorf("%s: got %+v %v, want %+v", in, got, ok, want)
		}
		if again, _ := ParsePort(got.String()); again != got {
			t.Errorf("%s: %s is %+v", in, got, again)
		}
	}
}

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
