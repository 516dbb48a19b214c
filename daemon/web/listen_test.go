package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/daemon/tasktest"
)

// follow starts a server that takes over from before, and ends that one.
func follow(t *testing.T, listen string, before *Server, stop func()) (*Server, func()) {
	t.Helper()
	s, err := New(Config{Listen: listen, Gateway: fixed{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	end := tasktest.Start(t, s)
	stop()
	return s, end
}

// TestTakeOver lets one server follow another again and again, on the same address and on one that overlaps. Whoever asks meanwhile is answered.
func TestTakeOver(t *testing.T) {
	s, err := New(Config{Listen: "127.0.0.1:0", Gateway: fixed{}})
	if err != nil {
		t.Fatal(err)
	}
	stop := tasktest.Start(t, s)
	addr := s.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	var asking sync.WaitGroup
	asking.Go(func() {
		for ctx.Err() == nil {
			if err := reach(addr); err != nil {
				t.Error(err)
				return
			}
			asked.Add(1)
		}
	})
	for range 20 {
		before := asked.Load()
		s, stop = follow(t, "127.0.0.1:0", s, stop)
		for asked.Load() < before+2 && !t.Failed() {
			_ = reach(addr)
		}
	}
	cancel()
	asking.Wait()
	for _, listen := range []string{":" + port, "127.0.0.1:" + port, "0.0.0.0:" + port, ":" + port} {
		s, stop = follow(t, listen, s, stop)
		if err := reach(addr); err != nil {
			t.Errorf("%s: %v", listen, err)
		}
	}
	// Nobody else gets the port, not even another umqttd.
	other, err := New(Config{Listen: addr, Gateway: fixed{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(t.Context(), nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("another server got %v", err)
	}
	other.Close()
	stop()
	if err := reach(addr); err == nil {
		t.Error("somebody still answers")
	}
}

// reach asks once.
func reach(addr string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/-/healthy")
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

// TestListenThatFails leaves the server that is to be followed as it is.
func TestListenThatFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	first, err := New(Config{Listen: "127.0.0.1:0", Gateway: fixed{}})
	if err != nil {
		t.Fatal(err)
	}
	tasktest.Start(t, first)
	_, port, _ := net.SplitHostPort(first.Addr().String())
	for listen, want := range map[string]error{taken.Addr().String(): syscall.EADDRINUSE, "203.0.113.1:" + port: syscall.EADDRNOTAVAIL} {
		s, err := New(Config{Listen: listen, Gateway: fixed{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(t.Context(), first); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", listen, err, want)
		}
		s.Close()
		if err := reach(first.Addr().String()); err != nil {
			t.Error(err)
		}
	}
}
