package logtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitReturnsWhenTheLineIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Book
		found := make(chan bool)
		go func() { found <- b.Wait(t.Context(), "second") }()
		for _, line := range []string{"first", "second"} {
			synctest.Wait()
			select {
			case <-found:
				t.Fatalf("it did not wait for %s", line)
			default:
			}
			b.Logger().Info(line)
		}
		if !<-found {
			t.Error("it did not find the line")
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var b Book
		b.Logger().Info("something else")
		if b.Wait(ctx, "never") {
			t.Error("found what is not there")
		}
	})
}
