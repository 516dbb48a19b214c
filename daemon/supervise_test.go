package daemon

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/umqttd/umqttd/daemon/logs/logtest"
	"github.com/umqttd/umqttd/devices"
)

// TestPanicStaysInItsDevice: a bug of ours in one device is logged, and the
// device starts anew.
func TestPanicStaysInItsDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logtest.Book
		builds := 0
		s := supervise("d", book.Logger(), func() *devices.Device {
			builds++
			return nil // whose Run panics
		})
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
