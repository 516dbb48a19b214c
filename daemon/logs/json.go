package logs

import (
	"fmt"
	"io"
)

// jsonEscaper escapes what slog's JSON leaves as it is because JSON allows it, but a terminal may obey: DEL and the C1 controls (U+0080 to U+009F,
// among them CSI). They can stand only inside a string, so the escaped line is the same JSON. slog writes whole lines, so none is cut in two.
type jsonEscaper struct{ w io.Writer }

// Write implements io.Writer.
func (e jsonEscaper) Write(line []byte) (int, error) {
	clean := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case b == 0x7f:
			clean = append(clean, `\u007f`...)
		case b == 0xc2 && i+1 < len(line) && line[i+1] >= 0x80 && line[i+1] < 0xa0: // UTF-8 of U+0080 to U+009F is C2 80 to C2 9F
			i++
			clean = fmt.Appendf(clean, `\u%04x`, line[i])
		default:
			clean = append(clean, b)
		}
	}
	if _, err := e.w.Write(clean); err != nil {
		return 0, err
	}
	return len(line), nil
}
