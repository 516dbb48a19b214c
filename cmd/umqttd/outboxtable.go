package main

import (
	"fmt"
	"io"
	"strconv"
	"time"
)

// printOutboxes prints a table of what waits, and after it what a person should see to.
func printOutboxes(w io.Writer, now time.Time, boxes []deviceOutbox) error {
	p := newPalette(w)
	waiting := [][]cell{{{"DEVICE", dim}, {"CLIENT", dim}, {"MESSAGES", dim}, {"SIZE", dim}, {"OLDEST", dim}}}
	aside := [][]cell{{{"DEVICE", dim}, {"CLIENT", dim}, {"TOPIC", dim}, {"SIZE", dim}, {"AGE", dim}, {"WHY", dim}}}
	var damage []string
	for i := range boxes {
		b := &boxes[i]
		waiting = append(waiting, waitingRows(now, b)...)
		for _, q := range b.Quarantined {
			aside = append(aside, []cell{
				{b.Device, plain}, {q.Client, plain}, {q.Topic, plain}, {byteText(int64(q.Bytes)), plain}, {ageText(now, q.Sent), plain}, {q.Why, dim},
			})
		}
		damage = append(damage, b.Damage...)
	}
	if err := printTable(w, p, waiting); err != nil {
		return err
	}
	if len(aside) > 1 {
		if _, err := fmt.Fprintln(w, "\nPut aside, because the broker does not take them:"); err != nil {
			return err
		}
		if err := printTable(w, p, aside); err != nil {
			return err
		}
	}
	if len(damage) > 0 {
		if _, err := fmt.Fprintln(w, "\nDamaged, and left out:"); err != nil {
			return err
		}
	}
	for _, d := range damage {
		if _, err := fmt.Fprintln(w, p.paint(red, printable(d))); err != nil {
			return err
		}
	}
	return nil
}

// waitingRows has a row for each client of a device, or one that says why there is none.
func waitingRows(now time.Time, b *deviceOutbox) [][]cell {
	switch {
	case b.Error != "":
		return [][]cell{{{b.Device, plain}, {"-", plain}, {"unknown", red}}}
	case len(b.Clients) == 0:
		return [][]cell{{{b.Device, plain}, {"-", plain}, {"0", green}}}
	}
	var rows [][]cell
	for _, c := range b.Clients {
		rows = append(rows, []cell{
			{b.Device, plain}, {c.Client, plain}, {strconv.Itoa(c.Messages), yellow}, {byteText(c.Bytes), plain}, {ageText(now, c.Oldest), plain},
		})
	}
	return rows
}

// byteText returns a number of bytes in the unit that suits it.
func byteText(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// ageText returns how long ago t was, in whole units.
func ageText(now, t time.Time) string {
	d := max(now.Sub(t), 0)
	switch {
	case t.IsZero():
		return "unknown"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours())/24)
}
