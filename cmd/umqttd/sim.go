package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/board/sim"
)

// simFlags is the command line of sim.
type simFlags struct {
	pty, port string

	clientID   string
	clean      bool
	keepAlive  time.Duration
	will       string
	predefined []string
	window     int

	topics    []string
	qos       int
	interval  time.Duration
	subscribe []string
	count     int
	askTime   bool
	sleep     time.Duration

	baud, ring  int
	poll        time.Duration
	loss, noise float64
	console     time.Duration
	seed        uint64

	verbose, quiet bool
}

func newSim() *cobra.Command {
	var f simFlags
	cmd := &cobra.Command{
		Use:   "sim {--pty LINK | --port PATH}",
		Short: "be a board",
		Long: "sim is a simulated board: an MQTT-SN client with a program that publishes values\n" +
			"and listens to commands, on a line as slow and as bad as you like.\n\n" +
			"With --pty it makes a pseudo-terminal and LINK, which umqttd's configuration names as\n" +
			"`port:`. With --port it uses the board's end of a line that exists.",
		Example: "  umqttd sim --pty /tmp/greenhouse\n" +
			"  umqttd sim --pty /tmp/greenhouse --noise 0.001 --loss 0.02 --console 5s --verbose\n" +
			"  umqttd sim --pty /tmp/attic --clean=false --interval 1m --sleep 20s\n" +
			"  umqttd sim --port /dev/ttyUSB1 -t door,retain -t temperature,qos=0,interval=200ms",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return simulate(cmd, &f) },
	}
	f.define(cmd)
	return cmd
}

// define declares the flags in the order in which help should show them.
func (f *simFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.pty, "pty", "", "make a pseudo-terminal and this `LINK` to it")
	flags.StringVar(&f.port, "port", "", "use the port at this `PATH`")

	flags.StringVar(&f.clientID, "client-id", "", "client `ID` (default: the last part of LINK or PATH)")
	flags.BoolVar(&f.clean, "clean", true, "clean session; --clean=false keeps it")
	flags.DurationVar(&f.keepAlive, "keepalive", 30*time.Second, "longest silence `D`, 0 for no promise")
	flags.StringVar(&f.will, "will", "", "last will, as `TOPIC=MESSAGE`, QoS 1 and retained")
	flags.StringArrayVar(&f.predefined, "predefined", nil, "a predefined topic id, as `ID=TOPIC`; may be repeated")
	flags.IntVar(&f.window, "window", 1, "QoS 1 messages in flight, `N` at most")

	flags.StringArrayVarP(&f.topics, "topic", "t", nil, "publish to `TOPIC`, with options as in -t TOPIC,qos=0,interval=5s,size=100,retain;\nmay be repeated (default: two topics below sensors/ID/)")
	flags.IntVar(&f.qos, "qos", 1, "QoS `N` of topics that name none: -1, 0 or 1")
	flags.DurationVar(&f.interval, "interval", time.Second, "time `D` between messages of topics that name none; negative: as fast as\nit goes")
	flags.StringArrayVar(&f.subscribe, "subscribe", nil, "subscribe to `FILTER`; may be repeated, \"\" is none (default: commands/ID/#)")
	flags.IntVar(&f.count, "count", 0, "stop after `N` messages of each topic (default: never)")
	flags.BoolVar(&f.askTime, "ask-time", false, "ask the gateway for the time")
	flags.DurationVar(&f.sleep, "sleep", 0, "sleep while there is nothing to publish, and ask for messages every `D`; best with\n--clean=false (default: never)")

	flags.IntVar(&f.baud, "baud", port.DefaultBaud, "speed of the line, `N` bit/s, 0 for native USB")
	flags.IntVar(&f.ring, "ring", 256, "receive ring, `N` bytes")
	flags.DurationVar(&f.poll, "poll", 0, "time `D` between two looks at the ring (default: always)")
	flags.Float64Var(&f.loss, "loss", 0, "part `P` of the frames that vanish, each way, 0 to 1")
	flags.Float64Var(&f.noise, "noise", 0, "part `P` of the bytes that are damaged, each way, 0 to 1")
	flags.DurationVar(&f.console, "console", 0, "print a boot banner, and a line every `D` (default: never)")
	flags.Uint64Var(&f.seed, "seed", 1, "seed `N` of values, loss and noise")

	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show every message on the line")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "show the summary only")
}

// simulate runs a board until it is told to stop or its program has ended.
func simulate(cmd *cobra.Command, f *simFlags) error {
	cfg, err := f.config()
	if err != nil {
		return usage(cmd, err)
	}
	j := journal{lines: newLines(cmd.OutOrStdout()), name: cfg.Board.ClientID, verbose: f.verbose, quiet: f.quiet}
	cfg.Observe = j.observe
	s, err := sim.New(cfg)
	if err != nil {
		return usage(cmd, err)
	}
	line, where, err := f.open(cmd.Context())
	if err != nil {
		return err
	}
	if !f.quiet {
		j.event(time.Now(), j.name, "ready", green, where)
	}
	err = s.Run(cmd.Context(), line)
	j.event(time.Now(), j.name, "done", plain, j.summary())
	return err
}

// open returns the line and what to say of it.
func (f *simFlags) open(ctx context.Context) (io.ReadWriteCloser, string, error) {
	if f.pty != "" {
		line, err := openPTY(f.pty)
		if err != nil {
			return nil, "", err
		}
		link, err := filepath.Abs(f.pty)
		if err != nil {
			link = f.pty
		}
		return line, fmt.Sprintf("port %s (%s)", link, line.slave.Name()), nil
	}
	spec, err := f.spec()
	if err != nil {
		return nil, "", err
	}
	var opener port.Opener
	line, err := opener.Open(ctx, spec)
	if err != nil {
		return nil, "", err
	}
	return line, "port " + spec.Path, nil
}

// spec is the port of --port.
func (f *simFlags) spec() (port.Spec, error) {
	baud := f.baud
	if (port.Spec{Path: f.port}).Kind() != port.KindTTY {
		baud = 0 // the serial server's business
	}
	spec, err := port.ParseSpec(f.port, port.USB{}, baud, string(port.ResetNever))
	if err == nil && spec.Kind() == port.KindUDP {
		err = errors.New("a board on UDP needs no line; name a port or tcp://HOST:PORT")
	}
	return spec, err
}

// config checks the command line. The error is for a person who typed it.
func (f *simFlags) config() (sim.Config, error) {
	switch {
	case (f.pty == "") == (f.port == ""):
		return sim.Config{}, errors.New("give either --pty LINK or --port PATH")
	case f.verbose && f.quiet:
		return sim.Config{}, errors.New("--verbose and --quiet exclude each other")
	}
	if f.port != "" {
		if _, err := f.spec(); err != nil {
			return sim.Config{}, err
		}
	}
	id := f.clientID
	if id == "" {
		id = filepath.Base(f.pty + f.port)
	}
	will, err := parseWill(f.will)
	if err != nil {
		return sim.Config{}, err
	}
	predefined, err := parsePredefined(f.predefined)
	if err != nil {
		return sim.Config{}, err
	}
	topics, err := f.programTopics(id)
	if err != nil {
		return sim.Config{}, err
	}
	cfg := sim.Config{
		Board: board.Config{
			ClientID: id, CleanSession: f.clean, AskSession: true, KeepAlive: f.keepAlive,
			Will: will, Predefined: predefined, Window: f.window,
		},
		Line:    sim.Line{Baud: f.baud, Ring: f.ring, Poll: f.poll},
		Faults:  sim.Faults{Loss: f.loss, Noise: f.noise},
		Program: sim.Program{Topics: topics, Count: f.count, Commands: f.commands(id), AskTime: f.askTime, Sleep: f.sleep},
		Seed:    f.seed,
	}
	if f.console > 0 {
		cfg.Console = sim.Console{Banner: sim.BootBanner, Interval: f.console}
	}
	return cfg, nil
}

// commands are the filters to subscribe to.
func (f *simFlags) commands(id string) []string {
	if f.subscribe == nil {
		return []string{"commands/" + id + "/#"}
	}
	var filters []string
	for _, filter := range f.subscribe {
		if filter != "" {
			filters = append(filters, filter)
		}
	}
	return filters
}
