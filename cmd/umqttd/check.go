package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/umqttd/umqttd/daemon/config"
)

func newCheck() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "say what is wrong with a configuration",
		Long: "check reads a configuration as `umqttd run` would, starts nothing, and prints every fault with its place.\n" +
			"It looks into the outboxes too, and changes nothing there.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(file, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if !usableOutboxes(cfg, cmd.ErrOrStderr()) {
				return errSaid
			}
			devices := "devices"
			if len(cfg.Devices) == 1 {
				devices = "device"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok, %d %s, broker %s\n", file, len(cfg.Devices), devices, cfg.Broker.Label())
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultFile, "configuration file")
	return cmd
}

// usableOutboxes looks into the outboxes and reports whether all devices will run. What
// another user may read is only warned of.
func usableOutboxes(cfg *config.Config, w io.Writer) bool {
	usable := true
	if cfg.Outbox.Dir == "" {
		return usable
	}
	warnOfOrphans(cfg, w)
	for _, name := range deviceNames(cfg) {
		_, err := inspect(cfg, name)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrPermission):
			fmt.Fprintf(w, "device %s: %v (warning)\n", name, err)
		case cfg.Outbox.IfUnusable == config.RunWithout:
			fmt.Fprintf(w, "device %s: %v; running without it (warning)\n", name, err)
		default:
			fmt.Fprintf(w, "device %s: %v\n", name, err)
			usable = false
		}
	}
	return usable
}
