package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/umqttd/umqttd/daemon"
	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/serialproto"
)

func newMonitor() *cobra.Command {
	var file, pcap string
	var baud int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "monitor DEVICE|PORT",
		Short: "show what passes a port",
		Long: "monitor shows messages and console text as they pass, decoded.\n\n" +
			"A DEVICE is watched through the running gateway. A PORT, such as /dev/ttyUSB0, is\n" +
			"opened if nobody has it; nothing is sent to it.\n\n" +
			"--pcap writes what Wireshark reads, to a file beside what is shown, or instead of it:\n\n" +
			"  umqttd monitor attic --pcap - | wireshark -k -i - -d udp.port==1884,mqttsn",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, errors.New("name one device or port"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON && pcap == "-" {
				return usage(cmd, errors.New("--json and --pcap - both want the standard output"))
			}
			show, done, err := newOutlet(args[0], cmd.OutOrStdout(), asJSON, pcap)
			if err != nil {
				return err
			}
			defer done()
			if strings.Contains(args[0], "/") {
				spec, wrong := port.ParseSpec(args[0], port.USB{}, baud, string(port.ResetNever))
				if wrong != nil {
					return usage(cmd, wrong)
				}
				err = monitorPort(cmd.Context(), spec, show)
			} else {
				err = monitorDevice(cmd.Context(), args[0], file, show)
			}
			if cmd.Context().Err() != nil {
				return nil // Ctrl-C is how it ends
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultFile, "configuration file of the running gateway, or demo")
	cmd.Flags().IntVarP(&baud, "baud", "b", 0, "speed of the port in bit/s (default 115200)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	cmd.Flags().StringVar(&pcap, "pcap", "", "write a capture for Wireshark to this file, - for the standard output")
	return cmd
}

// monitorDevice watches a device through the daemon's socket.
func monitorDevice(ctx context.Context, name, file string, show func(daemon.MonitorEvent) error) error {
	if file == "demo" {
		file = demoSocket
	}
	conn, err := dialMonitor(ctx, file)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := fmt.Fprintln(conn, name); err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	in := bufio.NewReader(conn)
	answer, err := in.ReadString('\n')
	if err != nil {
		return errors.New("monitor: the gateway closed the connection")
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		return fmt.Errorf("monitor: %s", answer)
	}
	events := json.NewDecoder(in)
	for {
		var ev daemon.MonitorEvent
		if err := events.Decode(&ev); err != nil {
			return errors.New("monitor: the gateway has stopped")
		}
		if err := show(ev); err != nil {
			return err
		}
	}
}

// dialMonitor finds the socket of the daemon that runs with that configuration.
func dialMonitor(ctx context.Context, file string) (net.Conn, error) {
	var d net.Dialer
	var errs []string
	for _, path := range daemon.SocketPaths(file) {
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err.Error())
	}
	return nil, fmt.Errorf("monitor: no gateway runs with %s, or it is not yours to watch (%s)", file, strings.Join(errs, "; "))
}

// monitorPort watches a port that nobody else has, and sends nothing.
func monitorPort(ctx context.Context, spec port.Spec, show func(daemon.MonitorEvent) error) error {
	var opener port.Opener
	p, err := opener.Open(ctx, spec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	chunks := make(chan chunk)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer context.AfterFunc(ctx, func() { _ = p.Close() })()
	defer func() { _ = p.Close() }()
	defer cancel()
	reader.Go(func() { readChunks(ctx, p, chunks) })
	dec := serialproto.Decoder{MaxFrame: serialproto.MaxFrame}
	for {
		c, err := nextChunk(ctx, chunks, dec.Deadline())
		if err != nil {
			return err
		}
		dec.Feed(c.data, c.at)
		for ev, ok := dec.Next(); ok; ev, ok = dec.Next() {
			if err := show(daemon.MonitorEvent{At: c.at, Kind: watchKind(ev.Kind), Body: ev.Body}); err != nil {
				return err
			}
		}
	}
}

// chunk is what was read at one time.
type chunk struct {
	data []byte
	at   time.Time
	err  error
}

// readChunks reads until the port ends or ctx does.
func readChunks(ctx context.Context, r io.Reader, to chan<- chunk) {
	for {
		b := make([]byte, 4096)
		n, err := r.Read(b)
		select {
		case to <- chunk{b[:n], time.Now(), err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// nextChunk waits for bytes, or until deadline if it is set, or until ctx is done.
func nextChunk(ctx context.Context, from <-chan chunk, deadline time.Time) (chunk, error) {
	var late <-chan time.Time
	if !deadline.IsZero() {
		t := time.NewTimer(time.Until(deadline))
		defer t.Stop()
		late = t.C
	}
	select {
	case c := <-from:
		return c, c.err
	case at := <-late:
		return chunk{at: at}, nil
	case <-ctx.Done():
		return chunk{}, ctx.Err()
	}
}

func watchKind(k serialproto.Kind) devices.WatchKind {
	switch {
	case k == serialproto.Frame:
		return devices.FrameIn
	case k == serialproto.Text:
		return devices.Console
	}
	return devices.Noise
}

// newOutlet returns what shows an event of the device or port called name, and what to call
// in the end.
func newOutlet(name string, w io.Writer, asJSON bool, pcap string) (show func(daemon.MonitorEvent) error, done func(), err error) {
	lines := newShow(name, w, asJSON)
	switch pcap {
	case "":
		return lines, func() {}, nil
	case "-":
		c, err := newCapture(w, name)
		if err != nil {
			return nil, nil, err
		}
		return c.event, func() {}, nil
	}
	f, err := os.Create(pcap)
	if err != nil {
		return nil, nil, fmt.Errorf("monitor: capture: %w", err)
	}
	c, err := newCapture(f, name)
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	both := func(ev daemon.MonitorEvent) error { return errors.Join(c.event(ev), lines(ev)) }
	return both, func() { _ = f.Close() }, nil
}

// newShow returns what prints an event of the device or port called name.
func newShow(name string, w io.Writer, asJSON bool) func(daemon.MonitorEvent) error {
	if asJSON {
		enc := json.NewEncoder(w)
		return func(ev daemon.MonitorEvent) error { return enc.Encode(newRecord(name, ev)) }
	}
	out := newLines(w)
	return func(ev daemon.MonitorEvent) error {
		what, c, text := describe(ev.Kind, ev.Body)
		out.event(ev.At, name, what, c, text)
		return nil
	}
}
