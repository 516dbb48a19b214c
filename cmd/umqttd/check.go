package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/umqttd/umqttd/daemon/config"
)

func newCheck() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "say what is wrong with a configuration",
		Long:  "check reads a configuration as `umqttd run` would, starts nothing, and prints every fault with its place.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(file, cmd.ErrOrStderr())
			if err != nil {
				return err
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
