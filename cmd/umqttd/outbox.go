package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/mqttcore/outbox"
)

func newOutbox() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "outbox [DEVICE]",
		Short: "list what waits for the broker",
		Long: "outbox lists the messages on disk that the broker has not acknowledged, by device and\n" +
			"client, and those that it does not take. It changes nothing, and may be used while\n" +
			"the gateway runs.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, fmt.Errorf("unexpected argument %q", args[1]))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			cfg, err := load(file, io.Discard)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return deviceNames(cfg), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(file, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			names, err := named(cfg, args)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				warnOfOrphans(cfg, cmd.ErrOrStderr())
			}
			return listOutboxes(cmd, cfg, names, asJSON)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultFile, "configuration file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, an array of devices")
	return cmd
}

// deviceNames lists the devices in the order of the configuration.
func deviceNames(cfg *config.Config) []string {
	names := make([]string, 0, len(cfg.Devices))
	for i := range cfg.Devices {
		names = append(names, cfg.Devices[i].Name)
	}
	return names
}

// named returns the devices that the command line means: one, or all.
func named(cfg *config.Config, args []string) ([]string, error) {
	names := deviceNames(cfg)
	if len(args) == 0 {
		return names, nil
	}
	if slices.Contains(names, args[0]) {
		return args, nil
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("outbox: no device %q, none is configured", args[0])
	}
	return nil, fmt.Errorf("outbox: no device %q, there is %s", args[0], strings.Join(names, ", "))
}

// listOutboxes prints what the outboxes of some devices hold. One that cannot be read
// does not hide the others.
func listOutboxes(cmd *cobra.Command, cfg *config.Config, names []string, asJSON bool) error {
	if cfg.Outbox.Dir == "" && !asJSON {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "No outbox is configured: messages wait in memory. outbox.dir names a folder for it.")
		return err
	}
	var result error
	boxes := []deviceOutbox{} // an empty array, not null
	for _, name := range names {
		if cfg.Outbox.Dir == "" {
			break
		}
		box, err := inspect(cfg, name)
		if err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "device %s: %v\n", name, err)
			result = errSaid
		}
		boxes = append(boxes, box)
	}
	if asJSON {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return errors.Join(enc.Encode(boxes), result)
	}
	return errors.Join(printOutboxes(cmd.OutOrStdout(), time.Now(), boxes), result)
}

// warnOfOrphans tells of messages that nobody delivers.
func warnOfOrphans(cfg *config.Config, w io.Writer) {
	for _, o := range devices.Orphans(cfg.Outbox.Dir, deviceNames(cfg)) {
		fmt.Fprintf(w, "%s (warning)\n", o)
	}
}

// deviceOutbox is what the outbox of one device holds.
type deviceOutbox struct {
	Device      string               `json:"device"`
	Dir         string               `json:"dir"`
	Messages    int                  `json:"messages"`
	Bytes       int64                `json:"bytes"`
	Oldest      *time.Time           `json:"oldest,omitempty"`
	DiskBytes   int64                `json:"disk_bytes"`
	Clients     []clientOutbox       `json:"clients"`
	Quarantined []quarantinedMessage `json:"quarantined"`
	Damage      []string             `json:"damage"`
	Error       string               `json:"error,omitempty"` // it cannot be read
}

// clientOutbox is what waits of one client.
type clientOutbox struct {
	Client   string    `json:"client"`
	Messages int       `json:"messages"`
	Bytes    int64     `json:"bytes"`
	Oldest   time.Time `json:"oldest"`
}

// quarantinedMessage is a message that the broker does not take.
type quarantinedMessage struct {
	Client string    `json:"client"`
	Topic  string    `json:"topic"`
	Bytes  int       `json:"bytes"` // of the payload
	Sent   time.Time `json:"sent"`  // by the board
	Why    string    `json:"why"`
}

// inspect reads the outbox of a device. One that is not there yet is empty.
func inspect(cfg *config.Config, device string) (deviceOutbox, error) {
	box := deviceOutbox{
		Device: device, Dir: cfg.Outbox.Of(device),
		Clients: []clientOutbox{}, Quarantined: []quarantinedMessage{}, Damage: []string{},
	}
	r, err := outbox.Inspect(box.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return box, nil
	}
	if err != nil {
		err = devices.OutboxError(err)
		box.Error = err.Error()
		return box, err
	}
	box.Messages, box.Bytes, box.DiskBytes = r.Messages, r.Bytes, r.DiskBytes
	if r.Messages > 0 {
		box.Oldest = &r.Oldest
	}
	for _, c := range r.Clients {
		if c.Messages > 0 {
			box.Clients = append(box.Clients, clientOutbox{c.Client, c.Messages, c.Bytes, c.Oldest})
		}
	}
	for _, q := range r.Quarantine {
		box.Quarantined = append(box.Quarantined, quarantinedMessage{q.Client, string(q.Topic), len(q.Payload), q.Accepted, q.Why})
	}
	for _, d := range r.Damage {
		box.Damage = append(box.Damage, d.String())
	}
	return box, nil
}
