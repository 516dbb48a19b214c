package main

import (
	"strings"
	"testing"
	"time"
)

var day = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestChangelog(t *testing.T) {
	const changes = `# Changes

* not a change

## Unreleased

### Added

* Boards on serial ports get MQTT sessions of their own: a long line that is wrapped
  where it must be, and goes on.

And words.

* Short.

## [0.1.0] - 2026-10-01

* The first.
`
	const want = `umqttd (0.2.0~rc1) stable; urgency=medium

  * Boards on serial ports get MQTT sessions of their own: a long line that is
    wrapped where it must be, and goes on.
  * Short.

 -- The umqttd authors <umqttd@users.noreply.github.com>  Tue, 24 Nov 2026 12:00:00 +0000

umqttd (0.1.0) stable; urgency=medium

  * The first.

 -- The umqttd authors <umqttd@users.noreply.github.com>  Thu, 01 Oct 2026 00:00:00 +0000
`
	got, err := changelog("0.2.0~rc1", day, changes)
	if err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

// TestChangelogOfARelease has nothing unreleased, nor has what comes right after it.
func TestChangelogOfARelease(t *testing.T) {
	const changes = "# Changes\n\n## Unreleased\n\n## 0.1.0 - 2026-10-01\n\n* The first.\n"
	if got, err := changelog("0.1.0", day, changes); err != nil || !strings.HasPrefix(got, "umqttd (0.1.0)") {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := changelog("0.1.0+1.gabc", day, changes); err != nil || !strings.HasPrefix(got, "umqttd (0.1.0+1.gabc)") || !strings.Contains(got, "\numqttd (0.1.0)") {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := changelog("0.1.0", day, "# Changes\n"); err == nil {
		t.Errorf("a changelog without versions became %q", got)
	}
	if got, err := changelog("0.1.0", day, "## 0.1.0 - 2026-13-01\n\n* x\n"); err == nil {
		t.Errorf("a month 13 is accepted: %s", got)
	}
}

func TestSourceDate(t *testing.T) {
	if got, err := sourceDate("0"); err != nil || got.Year() != 1970 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, epoch := range []string{"", "today"} {
		if got, err := sourceDate(epoch); err == nil {
			t.Errorf("%q is %v", epoch, got)
		}
	}
}

func TestManual(t *testing.T) {
	const markdown = "# Configuration\n\nIt reads `a-b`. See\n[there](x.md).\n\n## Keys\n\n| key | default | meaning |\n| --- | --- | --- |\n" +
		"| `log` | | the section |\n| `log.level` | `info` | How **much**. |\n\n* .one\n  more\n* two\n\n    text: 'x'\n\nAfter.\n"
	const want = `.Sh DESCRIPTION
It reads \fBa\-b\fR.
See
there.
.Sh KEYS
.Bl -tag -width Ds
.It \fBlog\fR
The section
.It \fBlog.level\fR
How \fBmuch\fR.
Default: \fBinfo\fR.
.El
.Bl -bullet
.It
\&.one
more
.It
two
.El
.Bd -literal -offset indent
text: \(aqx\(aq
.Ed
.Pp
After.
.Sh FILES
`
	got, err := manual(day, markdown)
	if err != nil || !strings.Contains(got, want) || !strings.Contains(got, ".Dd November 24, 2026\n") {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

// TestManualRefuses what it would spoil.
func TestManualRefuses(t *testing.T) {
	for _, markdown := range []string{
		"Configuration\n",
		"# C\n\n### Deeper\n",
		"# C\n\n```yaml\n",
		"# C\n\n| a | b |\n| --- | --- |\n",
		"# C\n\n| a | b |\n| --- | --- |\n| x |\n",
	} {
		if got, err := manual(day, markdown); err == nil {
			t.Errorf("%q became\n%s", markdown, got)
		}
	}
}

func TestConffile(t *testing.T) {
	example := "# $schema=./umqttd.schema.json\nbroker:\n#outbox:\n  #dir: /var/lib/umqttd\n  #max_bytes: 1\n"
	const want = "# $schema=/usr/share/umqttd/umqttd.schema.json\nbroker:\noutbox:\n  dir: /var/lib/umqttd\n  #max_bytes: 1\n"
	if got, err := conffile(example); err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := conffile("broker:\n"); err == nil {
		t.Errorf("an example without an outbox became %q", got)
	}
}

func TestCopyright(t *testing.T) {
	modules, err := modulesOf(t.Context(), "github.com/umqttd/umqttd/cmd/umqttd")
	if err != nil {
		t.Fatal(err)
	}
	got, err := copyright("MIT License\n", modules)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\ngo go1.", "\ngithub.com/spf13/cobra v", "\ngo.bug.st/serial v", "2009 The Go Authors", "common-licenses/Apache-2.0"} {
		if !strings.Contains("\n"+got, want) {
			t.Errorf("the copyright file does not hold %q", want)
		}
	}
	if strings.Contains(got, "TERMS AND CONDITIONS FOR USE") {
		t.Error("the Apache licence stands there in full; Debian has it already")
	}
	if got, err := copyright("MIT License\n", nil); err == nil {
		t.Errorf("a program of no modules has the licence %q", got)
	}
}
