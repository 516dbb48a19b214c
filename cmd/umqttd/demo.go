package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/umqttd/umqttd/configs"
	"github.com/umqttd/umqttd/daemon"
	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/logs"
	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/board/sim"
)

// demoNames are the devices of configs/demo.yaml.
var demoNames = []string{"greenhouse", "shed"}

// demoSocket names the demo to `umqttd monitor --config demo`.
const demoSocket = "/demo"

func newDemo() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show everything at work, with nothing else installed",
		Long: "demo runs a gateway with a broker inside and two simulated boards on pseudo-terminals,\n" +
			"and says what to open and to type. Nothing needs to be installed, nothing is left behind.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), quiet)
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not print the messages")
	return cmd
}

// demo runs the gateway and its boards until ctx is done.
func demo(ctx context.Context, stdout, stderr io.Writer, quiet bool) error {
	// A terminal that is closed, or a reader such as head that has seen enough:
	// nothing is left behind then either.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	dir, err := os.MkdirTemp("", "umqttd-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d, err := newDemoDaemon(ctx, dir, stderr)
	if err != nil {
		return err
	}
	out := newLines(stdout, demoNames...)
	observe := func(name string, o sim.Observation) {
		if !quiet {
			boardLine(out, name, o)
		}
	}
	boards, err := newDemoBoards(dir, observe)
	if err != nil {
		return err
	}
	for _, b := range boards {
		defer func() { _ = b.line.Close() }()
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		select {
		case <-d.Ready():
			out.text(welcome(d.HTTPAddr(), d.BrokerAddr()))
			for _, b := range boards {
				running.Go(func() { b.run(ctx, stderr) })
			}
		case <-ctx.Done():
		}
	})
	return d.Run(ctx)
}

// welcome says what to open and what to type.
func welcome(page, broker net.Addr) string {
	host, port, _ := net.SplitHostPort(broker.String())
	return fmt.Sprintf(`umqttd demo: two simulated boards, the gateway, and a broker inside it.

  Status page   http://%[1]s/
  Metrics       http://%[1]s/metrics
  MQTT broker   %[2]s

Open the status page, and try in another terminal:

  %[5]s monitor greenhouse --config demo
  mosquitto_sub -h %[3]s -p %[4]s -t 'sensors/#' -v
  mosquitto_pub -h %[3]s -p %[4]s -q 1 -t commands/greenhouse/led -m on

Ctrl-C ends it. What the boards see:

`, page, broker, host, port, programName())
}

// programName is what to type to run this program again.
func programName() string {
	if path, err := os.Executable(); err == nil && strings.Contains(path, "/go-build") {
		return "go run ./cmd/umqttd"
	}
	return os.Args[0]
}

// newDemoDaemon wires the gateway of configs/demo.yaml to free ports.
func newDemoDaemon(ctx context.Context, dir string, stderr io.Writer) (*daemon.Daemon, error) {
	env := map[string]string{
		"UMQTTD_DEMO_MQTT":  freeAddress(ctx, config.DefaultEmbeddedListen),
		"UMQTTD_DEMO_HTTP":  freeAddress(ctx, config.DefaultHTTPListen),
		"UMQTTD_DEMO_PORTS": dir,
	}
	cfg, _, err := config.Parse("demo.yaml", configs.Demo, func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
	if err != nil {
		return nil, err
	}
	log, err := logs.NewSwitch("warn", logs.FormatAuto, stderr)
	if err != nil {
		return nil, err
	}
	return daemon.New(cfg, daemon.Options{
		Version: versionText(), Revision: revisionText(), Log: slog.New(log.Handler()), Socket: daemon.SocketPath(demoSocket),
	})
}

// freeAddress returns usual if it is free, else an address whose port the
// system chooses.
func freeAddress(ctx context.Context, usual string) string {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", usual)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return usual
}

// demoBoard is one simulated board on a pseudo-terminal.
type demoBoard struct {
	line *ptyLine
	sim  *sim.Sim
}

func newDemoBoards(dir string, observe func(string, sim.Observation)) ([]demoBoard, error) {
	programs := map[string]sim.Program{
		"greenhouse": {
			Topics: []sim.Topic{
				{Name: "sensors/greenhouse/temperature", QoS: 1, Interval: 2 * time.Second},
				{Name: "sensors/greenhouse/humidity", QoS: 0, Interval: 5 * time.Second},
			},
			Commands: []string{"commands/greenhouse/#"},
		},
		"shed": {
			Topics:   []sim.Topic{{Name: "sensors/shed/door", QoS: 1, Retain: true, Interval: 3 * time.Second}},
			Commands: []string{"commands/shed/#"},
		},
	}
	var boards []demoBoard
	for _, name := range demoNames {
		line, err := openPTY(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		s, err := sim.New(sim.Config{
			Board: board.Config{
				ClientID: name + "-1", CleanSession: true, KeepAlive: 30 * time.Second,
				Will: &board.Will{Topic: "boards/" + name, Message: []byte("lost"), QoS: 1, Retain: true},
			},
			Line:    sim.Line{Baud: 115200},
			Console: sim.Console{Banner: sim.BootBanner, Interval: 10 * time.Second},
			Program: programs[name],
			Observe: func(o sim.Observation) { observe(name, o) },
		})
		if err != nil {
			return nil, err
		}
		boards = append(boards, demoBoard{line, s})
	}
	return boards, nil
}

func (b demoBoard) run(ctx context.Context, stderr io.Writer) {
	if err := b.sim.Run(ctx, b.line); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "umqttd: simulated board: %v\n", err)
	}
}
