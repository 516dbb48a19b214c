// Package notify tells systemd how umqttd is: ready, reloading, stopping, one line of status, and that it is alive (sd_notify(3)).
//
// Without NOTIFY_SOCKET in the environment, that is when systemd did not start the process or the unit is not Type=notify, everything here does
// nothing and succeeds.
package notify

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Systemd sends states to the service manager. The zero value is ready for use, by one goroutine or several.
// An error means that the socket exists in the environment but does not take the message; umqttd can only log it.
type Systemd struct{}

// Ready says that the start, or a reload, is complete.
func (Systemd) Ready() error { return send(daemon.SdNotifyReady) }

// Reloading says that a reload has begun; Ready must follow whether it succeeds or not. The time goes with it because systemd 253 and later
// (Type=notify-reload) wait for a RELOADING that is younger than their request.
func (Systemd) Reloading() error {
	return send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping says that an orderly stop has begun.
func (Systemd) Stopping() error { return send(daemon.SdNotifyStopping) }

// Status sets the line that `systemctl status` shows, such as "3/4 devices up, broker connected, outbox 12". Control bytes become spaces: a line
// feed would end the status and begin another assignment.
func (Systemd) Status(line string) error {
	return send("STATUS=" + strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line))
}

func send(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify: send %q to systemd: %v", strings.SplitN(state, "=", 2)[0], err)
	}
	return nil
}
