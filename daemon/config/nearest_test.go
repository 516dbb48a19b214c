package config

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"url", "username", "password_file", "keepalive", "max_inflight", "tls", "reconnect"}
	for word, want := range map[string]string{
		"ulr": "url", "URL": "url", "user": "username", "name": "username", "password": "password_file", "keep-alive": "keepalive", "max": "max_inflight",
		"inflight": "max_inflight", "reconect": "reconnect", "tsl": "tls", "": "", "x": "", "zzz": "", "a very long key that means nothing at all here": "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"kitten", "sitten", 1}, {"baud", "buad", 1}, {"baud", "bdau", 2}, {"abc", "abc", 0}, {"a", "abcd", 5}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%s %s: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
