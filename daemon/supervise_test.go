package daemon

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/umqttd/umqttd/daemon/logs/logtest"
	"github.com/umqttd/umqttd/daemon/notify"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/metrics"
)

// TestPanicStaysInItsDevice: a bug of ours in one device is logged, and the
// device starts anew.
func TestPanicStaysInItsDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logtest.Book
		builds := 0
		s := fakeDevice(t, &book)
		s.build = func(devices.Config, func()) *devices.Device {
			builds++
			return nil // whose Run panics
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*rebuildAfter+rebuildAfter/2)
		defer cancel()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		if said := strings.Count(book.String(), "panic: "); builds != 3 || said != 3 {
			t.Errorf("built %d times, said %d times; want 3:\n%s", builds, said, &book)
		}
	})
}

// fakeDevice is the task of a device that cannot be built.
func fakeDevice(t *testing.T, book *logtest.Book) *supervised {
	t.Helper()
	watchdog, err := notify.NewWatchdog(book.Logger())
	if err != nil {
		t.Fatal(err)
	}
	s := &supervised{name: "d", log: book.Logger(), watchdog: watchdog, metrics: metrics.New(metrics.Build{}), ready: make(chan struct{})}
	s.cfg.Store(new(devices.Config))
	s.build = func(devices.Config, func()) *devices.Device { panic("it was built") }
	return s
}
