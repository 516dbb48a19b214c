package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// age returns how long ago t was.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if now.Sub(t) < time.Second {
		return "now"
	}
	return span(now, t) + " ago"
}

// span returns the time from t to now in its one or two largest units.
func span(now, t time.Time) string {
	d := max(now.Sub(t), 0)
	days, hours, minutes, seconds := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min", minutes)
	default:
		return fmt.Sprintf("%d s", seconds)
	}
}

// group returns the number with a narrow space between groups of three digits.
func group(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// size returns the size of a message.
func size(bytes int) string { return volume(int64(bytes)) }

// volume returns a number of bytes.
func volume(bytes int64) string {
	switch {
	case bytes < 10_000:
		return fmt.Sprintf("%d B", bytes)
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(bytes)/1024)
}

// milliseconds returns a latency, with as many digits as a person compares; 0 means that none was measured.
func milliseconds(d time.Duration) string {
	digits := 0
	switch {
	case d == 0:
		return "–"
	case d < time.Millisecond:
		digits = 2
	case d < 100*time.Millisecond:
		digits = 1
	}
	return strconv.FormatFloat(max(float64(d.Microseconds())/1000, 0.01), 'f', digits, 64) + " ms"
}

// words is a piece of a text; Code is what a person can type.
type words struct {
	Text string
	Code bool
}

// commands tells what stands between backticks from the rest.
func commands(text string) []words {
	pieces := strings.Split(text, "`")
	if len(pieces)%2 == 0 {
		return []words{{Text: text}} // they are no pairs
	}
	var all []words
	for i, piece := range pieces {
		if piece != "" {
			all = append(all, words{piece, i%2 == 1})
		}
	}
	return all
}
