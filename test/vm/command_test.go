//go:build vm

package vm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/umqttd"
)

// TestPorts lists the adapter without opening it: not one transfer sets a modem line.
func TestPorts(t *testing.T) {
	both(t, func(r *rig) {
		status, output := umqttd.Run(r, program, "ports", "--json")
		if status != 0 {
			r.Errorf("umqttd ports: status %d", status)
		}
		for _, want := range []string{r.node, r.driver, r.adapter.VID, r.adapter.PID, r.adapter.Serial} {
			if !strings.Contains(output, want) {
				r.Errorf("umqttd ports does not name %s:\n%s", want, output)
			}
		}
		if trace := r.adapter.Trace(); len(trace) > 0 {
			r.Errorf("umqttd ports opened the port: %+v", trace)
		}
	})
}

// TestMonitorByOrdinaryUser watches a port as a user who may open it because of its group, as udev gives it to dialout. The board shows up and is left alone; even root is told that
// the port is busy.
func TestMonitorByOrdinaryUser(t *testing.T) {
	both(t, func(r *rig) {
		if err := os.Chown(r.node, 0, nobody); err != nil {
			r.Fatal(err)
		}
		if err := os.Chmod(r.node, 0o660); err != nil {
			r.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(r.Context(), 3*patience.Limit)
		defer cancel()
		monitor := exec.CommandContext(ctx, program, "monitor", r.node)
		monitor.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: nobody, Gid: nobody},
			Pdeathsig:  syscall.SIGKILL,
		}
		var shown output
		monitor.Stdout, monitor.Stderr = &shown, &shown
		if err := monitor.Start(); err != nil {
			r.Fatal(err)
		}
		board := r.uart()
		patience.Wait(r, "the monitor shows what the board prints", func() bool {
			// Again and again, since what comes before the port is open is flushed; with pauses, since text is shown when the line is silent.
			_, err := board.Write([]byte("boot: 21.5 degrees\r\n"))
			return err == nil && patience.Within(time.Second, func() bool { return strings.Contains(shown.String(), "boot: 21.5 degrees") })
		})
		r.wantEdges("the monitor opens the port", raised)

		if status, output := umqttd.Run(r, program, "monitor", r.node); status != 1 || !strings.Contains(output, "busy") {
			r.Errorf("root's monitor: status %d, says %q", status, output)
		}
		if err := monitor.Process.Signal(os.Interrupt); err != nil {
			r.Fatal(err)
		}
		if err := monitor.Wait(); err != nil {
			r.Errorf("the monitor ended with %v:\n%s", err, &shown)
		}
		r.wantEdges("the monitor ends")
	})
}

// output is what a running program has written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
