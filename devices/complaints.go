package devices

import (
	"errors"
	"log/slog"
)

// complaints remembers what was said last about each subject, so that what goes
// on being wrong is a warning once, and a matter for debugging after that.
type complaints struct {
	said map[string]string // subject to text
}

// maxComplaints bounds what boards can make a device remember. Beyond it,
// everything may be said once more.
const maxComplaints = 1000

// level returns how loudly text is to be said about subject.
func (c *complaints) level(subject, text string) slog.Level {
	if c.said[subject] == text {
		return slog.LevelDebug
	}
	if c.said == nil || len(c.said) >= maxComplaints {
		c.said = make(map[string]string)
	}
	c.said[subject] = text
	return slog.LevelWarn
}

// over says that all is well with subject.
func (c *complaints) over(subject string) { delete(c.said, subject) }

// cause returns the text of what is at the bottom of err. Unlike the whole it
// does not change from one attempt to the next: it has no port numbers.
func cause(err error) string {
	for err != nil {
		next := errors.Unwrap(err)
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			if all := several.Unwrap(); len(all) > 0 {
				next = all[len(all)-1]
			}
		}
		if next == nil {
			return err.Error()
		}
		err = next
	}
	return ""
}
