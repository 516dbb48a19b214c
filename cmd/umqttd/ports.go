package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/umqttd/umqttd/devices/port"
)

// noPorts is what there is to say where nothing is plugged in.
const noPorts = `No serial port found.

Plug the board in and try again. If it stays missing:
  - another cable: many charge only and carry no data
  - sudo dmesg | tail: what the kernel says about it
  - in a container or virtual machine the port must be passed on to it
`

func newPorts() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ports",
		Short: "list serial ports",
		Long: "ports lists the serial ports of this machine, with the names under which a\n" +
			"configuration finds them again after they were unplugged. It opens none of them.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			infos, err := port.Finder{}.List()
			if err != nil {
				return err
			}
			if asJSON {
				return printPortsJSON(cmd.OutOrStdout(), infos)
			}
			return printPorts(cmd.OutOrStdout(), infos)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, an array of ports")
	return cmd
}

func printPortsJSON(w io.Writer, infos []port.Info) error {
	if infos == nil {
		infos = []port.Info{} // an empty array, not null
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(infos)
}

// printPorts prints one aligned line a port. The names that are long come last.
func printPorts(w io.Writer, infos []port.Info) error {
	if len(infos) == 0 {
		_, err := io.WriteString(w, noPorts)
		return err
	}
	p := newPalette(w)
	rows := [][]cell{{{"PORT", dim}, {"USB", dim}, {"WHAT", dim}, {"STATE", dim}, {"NAME THAT STAYS", dim}}}
	for i := range infos {
		rows = append(rows, portRow(&infos[i]))
	}
	return printTable(w, p, rows)
}

// portRow says what a person wants to know of a port.
func portRow(i *port.Info) []cell {
	usb := "-"
	if i.VID != "" {
		usb = i.VID + ":" + i.PID
	}
	what := strings.TrimSpace(i.Manufacturer + " " + strings.TrimPrefix(i.Product, i.Manufacturer+" "))
	if what == "" {
		what = i.Driver
	}
	name := i.ByID
	if name == "" {
		name = i.ByPath
	}
	state, c := portState(i)
	return []cell{{i.Path, plain}, {usb, plain}, {what, plain}, {state, c}, {name, dim}}
}

// portState says whether umqttd could open the port, and if not, why.
func portState(i *port.Info) (string, colour) {
	var holders []string
	for _, h := range i.Holders {
		holders = append(holders, h.String())
	}
	switch {
	case i.Problem != "":
		return i.Problem, red
	case holders != nil:
		return "open: " + strings.Join(holders, ", "), yellow
	case i.Console:
		return "kernel console", yellow
	}
	return "free", green
}

// cell is a word or two in a table.
type cell struct {
	text string
	c    colour
}

// printTable prints rows with columns as wide as they need to be.
func printTable(w io.Writer, p palette, rows [][]cell) error {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(printable(c.text)))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			text := printable(c.text)
			pad := widths[i] - utf8.RuneCountInString(text)
			line.WriteString(p.paint(c.c, text) + strings.Repeat(" ", pad+2))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}
