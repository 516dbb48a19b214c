package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/umqttd/umqttd/daemon"
	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/logs"
)

func newRun() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "serve boards as a configuration says",
		Long: "run serves the boards that a configuration describes, until SIGTERM or SIGINT.\n" +
			"SIGHUP reads the configuration again: what has changed is put in force, and what has not\n" +
			"goes on undisturbed. One with a fault changes nothing; the log says what is wrong.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), file, cmd.ErrOrStderr()) },
	}
	cmd.Flags().StringVarP(&file, "config", "c", config.DefaultFile, "configuration file")
	return cmd
}

// serve runs the gateway of the configuration in file.
func serve(ctx context.Context, file string, stderr io.Writer) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before anything else: unasked for, it would end us
	defer signal.Stop(hangup)
	cfg, err := load(file, stderr)
	if err != nil {
		return err
	}
	log, err := logs.NewSwitch(cfg.Log.Level, logs.Format(cfg.Log.Format), stderr)
	if err != nil {
		return err
	}
	d, err := daemon.New(cfg, daemon.Options{
		Version: versionText(), Revision: revisionText(), Log: slog.New(log.Handler()), Logs: log, Socket: daemon.SocketPath(file),
		Reload: func() (*config.Config, []config.Warning, error) { return config.Load(file, os.LookupEnv) },
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var reloads sync.WaitGroup
	reloads.Go(func() { reloadOnHangup(ctx, hangup, d) })
	defer reloads.Wait()
	defer cancel() // also when the gateway ends by itself
	return d.Run(ctx)
}

// reloadOnHangup asks for a reload at every SIGHUP until ctx is done. One that comes
// before is kept by hangup, one that comes before the gateway is ready by the gateway.
func reloadOnHangup(ctx context.Context, hangup <-chan os.Signal, d *daemon.Daemon) {
	for {
		select {
		case <-hangup:
			d.Reload()
		case <-ctx.Done():
			return
		}
	}
}

// load reads a configuration and prints warnings, or all faults.
func load(file string, stderr io.Writer) (*config.Config, error) {
	cfg, warnings, err := config.Load(file, os.LookupEnv)
	for _, w := range warnings {
		fmt.Fprintf(stderr, "%s (warning)\n", w)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return nil, errSaid
	}
	return cfg, nil
}
