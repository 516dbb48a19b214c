package mqttcore

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A browser leaves the scheme's own port out of Host, and a signature over the headers, as AWS IoT's, is made without it.
func TestDialerHostHeader(t *testing.T) {
	for url, want := range map[string]string{
		"ws://broker":       "broker",
		"ws://broker:80":    "broker",
		"ws://broker:443":   "broker:443",
		"wss://broker":      "broker",
		"wss://broker:8443": "broker:8443",
		"wss://[::1]":       "[::1]",
	} {
		dialer, err := NewDialer(url, FileTLS{})
		if err != nil {
			t.Fatal(err)
		}
		if dialer.hostHeader != want {
			t.Errorf("%s: Host is %s, want %s", url, dialer.hostHeader, want)
		}
	}

	var sent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Host
		http.NotFound(w, r)
	}))
	dialer, err := NewDialer("ws"+strings.TrimPrefix(server.URL, "http"), FileTLS{})
	if err != nil {
		t.Fatal(err)
	}
	dialer.hostHeader = "as-set" // no test may listen on port 80
	if conn, err := dialer.Dial(t.Context()); err == nil {
		_ = conn.Close()
		t.Error("the handshake succeeded, want it refused")
	}
	server.Close()
	if sent != "as-set" {
		t.Errorf("Host was sent as %s, want it as-set", sent)
	}
}
