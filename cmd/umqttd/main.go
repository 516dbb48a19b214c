// Command umqttd is the gateway that lets boards on serial ports speak MQTT.
//
//	umqttd run      serve boards as a configuration says
//	umqttd check    say what is wrong with a configuration
//	umqttd ports    list serial ports
//	umqttd monitor  show what passes a port
//	umqttd outbox   list what waits for the broker
//	umqttd doctor   look for what is wrong, and say what to do
//	umqttd sim      be a board
//	umqttd demo     show everything at work, with nothing else installed
//	umqttd version  say which umqttd this is
//
// Exit status is 0 if all went well, 1 if something failed and 2 if the command
// line was wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Set by the linker; see the Makefile.
var (
	version  = ""
	revision = ""
)

const (
	statusFailed = 1
	statusUsage  = 2
)

func main() { os.Exit(run()) }

// run is main, but for the exit status.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C ends it at once
	err := newRoot().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "umqttd: %v\nTry '%s --help'.\n", err, usage.command)
		return statusUsage
	case errors.Is(err, errSaid):
	default:
		fmt.Fprintf(os.Stderr, "umqttd: %v\n", err)
	}
	return statusFailed
}

// newRoot returns the whole command line.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "umqttd",
		Short:         "MQTT for boards on serial ports",
		Long:          "umqttd gives boards on serial ports MQTT sessions of their own.",
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err) })
	root.AddCommand(newRun(), newCheck(), newPorts(), newMonitor(), newOutbox(), newDoctor(), newSim(), newDemo(), newVersion())
	root.SetHelpCommand(newHelp())
	strictCompletion(root)
	return root
}

// errSaid is returned when everything there is to say has been printed.
var errSaid = errors.New("failed")
