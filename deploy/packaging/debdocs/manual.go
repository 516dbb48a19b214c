package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// manualBegin and manualEnd are of umqttd.yaml.5, around what docs/configuration.md says.
const manualBegin = `.\" Made from docs/configuration.md.
.Dd DATE
.Dt UMQTTD.YAML 5
.Os
.Sh NAME
.Nm umqttd.yaml
.Nd configuration of umqttd
.Sh DESCRIPTION
`

const manualEnd = `.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/umqttd/umqttd.yaml
The configuration, unless
.Fl \-config
names another.
.It Pa /etc/umqttd/devices.d/
One file for each device.
.It Pa /usr/share/umqttd/umqttd.schema.json
The JSON Schema, for editors.
.It Pa /usr/share/doc/umqttd/examples/
Annotated examples.
.El
.Sh SEE ALSO
.Xr umqttd 1
`

// manual turns docs/configuration.md, of whose Markdown it knows what is used there, into a manual page in mdoc(7).
func manual(date time.Time, markdown string) (string, error) {
	lines := strings.Split(strings.TrimRight(markdown, "\n"), "\n")
	if !strings.HasPrefix(lines[0], "# ") {
		return "", errors.New("the document does not begin with its title")
	}
	p := page{lines: lines[1:], heading: true}
	p.out.WriteString(strings.Replace(manualBegin, "DATE", date.Format("January 2, 2006"), 1))
	for len(p.lines) > 0 {
		if err := p.block(); err != nil {
			return "", err
		}
	}
	p.out.WriteString(manualEnd)
	return p.out.String(), nil
}

// A page is converted block by block.
type page struct {
	lines   []string // yet to come
	out     strings.Builder
	heading bool // the last block was one, after which no paragraph begins
}

// block converts the next block.
func (p *page) block() error {
	line := p.lines[0]
	afterHeading := p.heading
	p.heading = false
	switch {
	case line == "":
		p.lines = p.lines[1:]
		p.heading = afterHeading
	case strings.HasPrefix(line, "## "):
		p.lines = p.lines[1:]
		p.out.WriteString(".Sh " + strings.ToUpper(text(line[3:])) + "\n")
		p.heading = true
	case strings.HasPrefix(line, "#") || strings.HasPrefix(line, "```") || strings.HasPrefix(line, ">"):
		return fmt.Errorf("%q: a kind of Markdown that is not known here", line)
	case strings.HasPrefix(line, "    "):
		p.example()
	case strings.HasPrefix(line, "|"):
		return p.table()
	case strings.HasPrefix(line, "* "):
		p.list()
	default:
		if !afterHeading {
			p.out.WriteString(".Pp\n")
		}
		p.paragraph(p.take(func(l string) bool { return l != "" && !strings.HasPrefix(l, "|") && !strings.HasPrefix(l, "* ") }))
	}
	return nil
}

// take removes the lines for which holds is true, and at least one.
func (p *page) take(holds func(string) bool) []string {
	n := 1
	for n < len(p.lines) && holds(p.lines[n]) {
		n++
	}
	taken := p.lines[:n]
	p.lines = p.lines[n:]
	return taken
}

// paragraph writes text, each sentence on a line of its own; mdoc fills it.
func (p *page) paragraph(lines []string) {
	for _, l := range lines {
		sentences := strings.Split(text(strings.TrimSpace(l)), ". ")
		for i, sentence := range sentences {
			if i < len(sentences)-1 {
				sentence += "."
			}
			p.out.WriteString(guard(sentence) + "\n")
		}
	}
}

func (p *page) example() {
	p.out.WriteString(".Bd -literal -offset indent\n")
	for _, l := range p.take(func(l string) bool { return strings.HasPrefix(l, "    ") }) {
		p.out.WriteString(guard(escape(l[4:])) + "\n")
	}
	p.out.WriteString(".Ed\n")
}

func (p *page) list() {
	p.out.WriteString(".Bl -bullet\n")
	for len(p.lines) > 0 && strings.HasPrefix(p.lines[0], "* ") {
		item := p.take(func(l string) bool { return strings.HasPrefix(l, "  ") })
		p.out.WriteString(".It\n")
		p.paragraph(append([]string{item[0][2:]}, item[1:]...))
	}
	p.out.WriteString(".El\n")
}

// table writes a table as a list. The first column is the tag. One with a default has it behind the meaning; of others the columns follow each other.
func (p *page) table() error {
	rows := p.take(func(l string) bool { return strings.HasPrefix(l, "|") })
	if len(rows) < 3 {
		return fmt.Errorf("%q: a table without rows", rows[0])
	}
	head := cells(rows[0])
	p.out.WriteString(".Bl -tag -width Ds\n")
	for _, row := range rows[2:] {
		c := cells(row)
		if len(c) != len(head) {
			return fmt.Errorf("%q: %d columns, of %d", row, len(c), len(head))
		}
		p.out.WriteString(".It " + text(c[0]) + "\n")
		if len(c) == 3 && head[1] == "default" {
			p.paragraph([]string{strings.ToUpper(c[2][:1]) + c[2][1:]})
			if c[1] != "" {
				p.paragraph([]string{"Default: " + c[1] + "."})
			}
			continue
		}
		for i, cell := range c[1:] {
			if cell == "" {
				continue
			}
			if i > 0 {
				p.out.WriteString(".br\n")
			}
			if len(c) > 2 {
				cell = head[i+1] + ": " + cell
			}
			p.paragraph([]string{cell})
		}
	}
	p.out.WriteString(".El\n")
	return nil
}

// cells splits a row of a table.
func cells(row string) []string {
	split := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
	for i := range split {
		split[i] = strings.TrimSpace(split[i])
	}
	return split
}

var (
	link = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)
	bold = regexp.MustCompile(`\*\*([^*]+)\*\*`)
)

// text converts a line of Markdown. What is code is left as it is, but bold.
func text(markdown string) string {
	var b strings.Builder
	for i, part := range strings.Split(markdown, "`") {
		if i%2 == 1 {
			b.WriteString(`\fB` + escape(part) + `\fR`)
			continue
		}
		part = escape(part)
		part = link.ReplaceAllString(part, "$1")
		b.WriteString(bold.ReplaceAllString(part, `\fB$1\fR`))
	}
	return b.String()
}

// escape protects what roff would take for its own.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\e`, `-`, `\-`, "`", `\(ga`, `'`, `\(aq`, `^`, `\(ha`, `~`, `\(ti`).Replace(s)
}

// guard keeps a line from being taken for a request.
func guard(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
