package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/doctor"
	"github.com/umqttd/umqttd/devices/port"
)

// doctorFlags is the command line of doctor.
type doctorFlags struct {
	file   string
	baud   int
	listen time.Duration
	asJSON bool
}

func newDoctor() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor [DEVICE|PORT]",
		Short: "look for what is wrong, and say what to do",
		Long: "doctor looks at what keeps boards from being served: the machine, the configuration, each\n" +
			"device's port and what arrives on it, each broker with its certificates, the outbox.\n" +
			"With a DEVICE of the configuration, or a PORT such as /dev/ttyUSB0, it looks at that one.\n\n" +
			"It sends nothing to boards and resets none. A port that the gateway or another program has\n" +
			"is left alone. To each broker it connects once, under a client id of its own.\n" +
			"Under sudo it says what the service's user may do, and sees more.",
		Example: "  sudo umqttd doctor\n" +
			"  umqttd doctor /dev/ttyUSB0\n" +
			"  umqttd doctor greenhouse --listen 1m",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, fmt.Errorf("unexpected argument %q", args[1]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			what := ""
			if len(args) > 0 {
				what = args[0]
			}
			return f.run(cmd, what)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&f.file, "config", "c", config.DefaultFile, "configuration file")
	flags.IntVarP(&f.baud, "baud", "b", 0, "speed of PORT in bit/s (default 115200)")
	flags.DurationVar(&f.listen, "listen", 3*time.Second, "how long to listen to each port, `D`")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON, an array of findings")
	return cmd
}

// run examines everything, or the one device or port that what names.
func (f *doctorFlags) run(cmd *cobra.Command, what string) error {
	if f.listen <= 0 {
		return usage(cmd, errors.New("--listen takes a time such as 3s"))
	}
	var spec port.Spec
	if strings.Contains(what, "/") {
		var err error
		if spec, err = port.ParseSpec(what, port.USB{}, f.baud, string(port.ResetNever)); err != nil {
			return usage(cmd, err)
		}
	}
	out := newFindings(cmd.OutOrStdout(), f.asJSON)
	d := &doctor.Doctor{Report: out.add, Listen: f.listen}
	ctx := cmd.Context()
	d.Machine()
	switch {
	case spec.Path != "":
		d.Port(ctx, "", spec)
	default:
		cfg := f.configuration(d, cmd, what)
		if cfg == nil {
			break
		}
		if what != "" {
			if _, err := named(cfg, []string{what}); err != nil {
				return fmt.Errorf("doctor: %s", strings.TrimPrefix(err.Error(), "outbox: "))
			}
			cfg.Devices = slices.DeleteFunc(cfg.Devices, func(c config.Device) bool { return c.Name != what })
			cfg.NoGateway = true
		}
		examine(ctx, d, cfg)
	}
	if err := out.end(); err != nil {
		return err
	}
	if ctx.Err() != nil || out.problems > 0 {
		return errSaid
	}
	return nil
}

// configuration reads the configuration. That there is none where it is usually found is
// no fault.
func (f *doctorFlags) configuration(d *doctor.Doctor, cmd *cobra.Command, what string) *config.Config {
	if _, err := os.Stat(f.file); errors.Is(err, os.ErrNotExist) && !cmd.Flags().Changed("config") && what == "" {
		d.NoConfiguration(f.file)
		return nil
	}
	cfg, warnings, err := config.Load(f.file, lookupCredentials)
	d.Configuration(f.file, warnings, err)
	return cfg
}

// credentials is where systemd keeps those of the service while it runs.
const credentials = "/run/credentials/umqttd.service"

// lookupCredentials is the environment, and where systemd keeps the service's
// credentials, which a shell is not told.
func lookupCredentials(name string) (string, bool) {
	value, ok := os.LookupEnv(name)
	if !ok && name == "CREDENTIALS_DIRECTORY" {
		_, err := os.Stat(credentials)
		return credentials, err == nil
	}
	return value, ok
}

// examine looks at all that a configuration names: ports, brokers, each once, outbox.
func examine(ctx context.Context, d *doctor.Doctor, cfg *config.Config) {
	var brokers []*config.Broker
	add := func(b *config.Broker) {
		if !slices.ContainsFunc(brokers, func(o *config.Broker) bool { return reflect.DeepEqual(o, b) }) {
			brokers = append(brokers, b)
		}
	}
	for i := range cfg.Devices {
		device := &cfg.Devices[i]
		d.Port(ctx, device.Name, device.Port)
		add(&device.Broker)
	}
	if !cfg.NoGateway {
		add(&cfg.Broker)
	}
	for _, b := range brokers {
		d.Broker(ctx, b)
	}
	d.Outbox(&cfg.Outbox, len(cfg.Devices))
}

// findings prints findings as they are made, below what each is about; or all as JSON.
type findings struct {
	w        io.Writer
	p        palette
	asJSON   bool
	all      []doctor.Finding
	about    string
	problems int
	warnings int
}

func newFindings(w io.Writer, asJSON bool) *findings {
	return &findings{w: w, p: newPalette(w), asJSON: asJSON, all: []doctor.Finding{}}
}

// add takes one more finding.
func (f *findings) add(x doctor.Finding) {
	f.all = append(f.all, x)
	colours := map[doctor.Level]colour{doctor.OK: green, doctor.Warning: yellow, doctor.Problem: red}
	switch x.Level {
	case doctor.Problem:
		f.problems++
	case doctor.Warning:
		f.warnings++
	}
	if f.asJSON {
		return
	}
	if x.About != f.about {
		f.about = x.About
		fmt.Fprintln(f.w, printable(x.About))
	}
	fmt.Fprintf(f.w, "  %s  %-18s  %s\n", f.p.paint(colours[x.Level], fmt.Sprintf("%-7s", x.Level)), printable(x.Check), printable(x.Text))
	if x.Fix != "" {
		fmt.Fprintf(f.w, "  %-7s  %-18s  %s\n", "", "", f.p.paint(cyan, "-> "+printable(x.Fix)))
	}
}

// end prints what is left to print.
func (f *findings) end() error {
	if f.asJSON {
		enc := json.NewEncoder(f.w)
		enc.SetIndent("", "  ")
		return enc.Encode(f.all)
	}
	summary := "No problem found."
	if f.problems > 0 || f.warnings > 0 {
		summary = fmt.Sprintf("%s, %s.", plural(f.problems, "problem"), plural(f.warnings, "warning"))
	}
	_, err := fmt.Fprintln(f.w, "\n"+summary)
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
