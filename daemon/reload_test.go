package daemon

import (
	"errors"
	"testing"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/logs/logtest"
)

// TestReload: a file with faults changes nothing, one that differs waits for the next
// start, and both are said.
func TestReload(t *testing.T) {
	var next func() (*config.Config, error)
	r := start(t, base, func(o *Options) { o.Reload = func() (*config.Config, error) { return next() } })
	for _, step := range []struct {
		next   func() (*config.Config, error)
		log    string
		metric string
	}{
		{func() (*config.Config, error) { return nil, errors.New("test.yaml:1: brokr: unknown key") }, "brokr: unknown key", "0"},
		{func() (*config.Config, error) { return parse(t, base), nil }, "configuration unchanged", "1"},
		{func() (*config.Config, error) { return parse(t, base+"max_nodes: 5"), nil }, "restart umqttd to use it", "0"},
	} {
		next = step.next
		r.Reload()
		r.wantLog(step.log)
		r.wantPage("/metrics", "umqttd_config_last_reload_successful "+step.metric)
	}
}

// TestReloadWhileStarting: what is not ready must not say so to systemd.
func TestReloadWhileStarting(t *testing.T) {
	systemd := newManager(t)
	var book logtest.Book
	d, err := New(parse(t, base), Options{Log: book.Logger(), Reload: func() (*config.Config, error) {
		t.Error("it was read")
		return nil, errors.New("read")
	}})
	if err != nil {
		t.Fatal(err)
	}
	d.Reload()
	systemd.wantNothing()
}

func TestReloadOfNothing(t *testing.T) {
	r := start(t, base, nil)
	r.Reload()
	r.wantLog("configuration cannot be read again")
}
