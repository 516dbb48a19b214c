package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maintainer is who a Debian package says is responsible; nfpm.yaml says the same.
const maintainer = "The umqttd authors <umqttd@users.noreply.github.com>"

// changelogWidth is that of Debian's own changelogs.
const changelogWidth = 78

// A heading of CHANGELOG.md: "## Unreleased", "## 1.2.0 - 2026-11-24", "## [1.2.0] - 2026-11-24".
var heading = regexp.MustCompile(`^## \[?(?:(Unreleased)|v?([0-9][^\] ]*))\]?(?: - ([0-9]{4}-[0-9]{2}-[0-9]{2}))?$`)

// sourceDate reads SOURCE_DATE_EPOCH, seconds since 1970.
func sourceDate(epoch string) (time.Time, error) {
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q, and must be seconds since 1970", epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// An entry is what one version changed.
type entry struct {
	version string
	date    time.Time
	changes []string
}

// changelog turns CHANGELOG.md into a Debian changelog whose first entry is version's, to which belongs what is unreleased.
func changelog(version string, now time.Time, text string) (string, error) {
	entries, err := parseChanges(version, now, text)
	if err != nil {
		return "", err
	}
	if len(entries) == 0 {
		return "", errors.New("the changelog holds no version")
	}
	if len(entries[0].changes) == 0 {
		entries = entries[1:] // nothing is unreleased
	}
	if len(entries) == 0 || entries[0].version != version {
		entries = slices.Insert(entries, 0, entry{version, now, []string{"Nothing that a user notices."}})
	}
	var b strings.Builder
	for i, e := range entries {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "umqttd (%s) stable; urgency=medium\n\n", e.version)
		for _, change := range e.changes {
			b.WriteString(wrap("  * ", "    ", change))
		}
		fmt.Fprintf(&b, "\n -- %s  %s\n", maintainer, e.date.Format(time.RFC1123Z))
	}
	return b.String(), nil
}

// parseChanges reads the versions and their lists; what is neither is for readers of the original.
func parseChanges(version string, now time.Time, text string) ([]entry, error) {
	var entries []entry
	inItem := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m := heading.FindStringSubmatch(line); m != nil {
			e := entry{version: version, date: now}
			if m[1] == "" {
				e.version = m[2]
			}
			if m[3] != "" {
				date, err := time.Parse(time.DateOnly, m[3])
				if err != nil {
					return nil, fmt.Errorf("%q: %v", line, err)
				}
				e.date = date
			}
			entries, inItem = append(entries, e), false
			continue
		}
		if len(entries) == 0 {
			continue
		}
		e := &entries[len(entries)-1]
		item, begins := strings.CutPrefix(line, "* ")
		switch {
		case begins:
			e.changes, inItem = append(e.changes, item), true
		case inItem && strings.HasPrefix(line, "  "):
			e.changes[len(e.changes)-1] += " " + strings.TrimSpace(line)
		default:
			inItem = false
		}
	}
	return entries, nil
}

// wrap breaks text into lines; first begins the first, next the others.
func wrap(first, next, text string) string {
	var b strings.Builder
	line, empty := first, true
	for word := range strings.FieldsSeq(text) {
		if !empty && len(line)+1+len(word) > changelogWidth {
			b.WriteString(line + "\n")
			line, empty = next, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	return b.String() + line + "\n"
}
