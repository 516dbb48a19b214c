package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// usageError is a wrong command line.
type usageError struct {
	command string
	err     error
}

// Error says what is wrong with it.
func (e *usageError) Error() string { return e.err.Error() }

func usage(cmd *cobra.Command, err error) error { return &usageError{cmd.CommandPath(), err} }

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		return usage(cmd, fmt.Errorf("unknown command %q", args[0]))
	}
	return usage(cmd, fmt.Errorf("unexpected argument %q", args[0]))
}

// newHelp replaces cobra's help command, to which every command is known.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				rest = args
			}
			if len(rest) > 0 {
				return usage(cmd.Root(), fmt.Errorf("unknown command %q", rest[0]))
			}
			return about.Help()
		},
	}
}

// strictCompletion makes cobra's completion command refuse a shell that it does
// not know.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd("completion")
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Short = "print the completion script of a shell"
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if len(args) == 0 {
					return usage(cmd, fmt.Errorf("name a shell"))
				}
				return usage(cmd, fmt.Errorf("no completion for %q", args[0]))
			}
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			for _, shell := range cmd.Commands() {
				shell.Args = noArgs
			}
		}
	}
}
