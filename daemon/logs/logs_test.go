package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/creack/pty"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nasty is what a board can put into a topic: it would clear the screen, start a line of its own, reverse the reading direction.
const nasty = "a\x1b[2J\n\x00\x7f\u009b\u202e\xffé"

// open returns a handler of this format at info, and what it wrote so far.
func open(t *testing.T, format Format) (slog.Handler, *bytes.Buffer) {
	t.Helper()
	w := new(bytes.Buffer)
	h, err := New(slog.LevelInfo, format, w)
	if err != nil {
		t.Fatal(err)
	}
	return h, w
}

// record is one with a fixed time, as if logged.
func record(level slog.Level, message string, args ...any) slog.Record {
	r := slog.NewRecord(time.Date(2026, 8, 1, 12, 30, 15, 250e6, time.UTC), level, message, 0)
	r.Add(args...)
	return r
}

func TestTextLine(t *testing.T) {
	for _, test := range []struct {
		name   string
		record slog.Record
		want   string
	}{
		{"levels line up", record(slog.LevelInfo, "port opened", "device", "greenhouse"), `INFO  port opened device=greenhouse`},
		{"long level", record(slog.LevelError, "disk full"), `ERROR disk full`},
		{"level between", record(slog.LevelWarn+1, "odd"), `WARN+1 odd`},
		{"words are bare", record(slog.LevelInfo, "m", "baud", 115200, "rtt", 4*time.Millisecond, "ok", true), `INFO  m baud=115200 rtt=4ms ok=true`},
		{"what could be misread is quoted", record(slog.LevelInfo, "m", "a", "b c", "d", "", "e", "f=g", "h", `i"j`), `INFO  m a="b c" d="" e="f=g" h="i\"j"`},
		{"errors", record(slog.LevelInfo, "m", "err", errors.New("no such file")), `INFO  m err="no such file"`},
		{"bytes are text", record(slog.LevelInfo, "m", "topic", []byte("a/b")), `INFO  m topic=a/b`},
		{"groups", record(slog.LevelInfo, "m", slog.Group("tls", "ca", "x", slog.Group("", "cert", "y"))), `INFO  m tls.ca=x tls.cert=y`},
		{"nothing escapes from a value", record(slog.LevelInfo, "m", "topic", nasty), `INFO  m topic="a\x1b[2J\n\x00\x7f\u009b\u202e\xffé"`},
		{"nor from a message", record(slog.LevelInfo, nasty), `INFO  a\x1b[2J\n\x00\x7f\u009b\u202e\xffé`},
		{"nor from a key", record(slog.LevelInfo, "m", "k\n", 1), `INFO  m "k\n"=1`},
		{"quotes in a message stay readable", record(slog.LevelInfo, `say "hi"`), `INFO  say "hi"`},
	} {
		h, w := open(t, FormatText)
		if err := h.Handle(context.Background(), test.record); err != nil {
			t.Fatal(err)
		}
		if want := "2026-08-01T12:30:15.250Z " + test.want + "\n"; w.String() != want {
			t.Errorf("%s:\ngot  %q\nwant %q", test.name, w, want)
		}
	}
}

func TestTextFollowsTheRulesOfSlog(t *testing.T) {
	h, w := open(t, FormatText)
	err := slogtest.TestHandler(h, func() []map[string]any {
		var records []map[string]any
		for line := range strings.Lines(w.String()) {
			fields := strings.Fields(line)
			m := map[string]any{}
			if strings.HasPrefix(fields[0], "20") {
				m[slog.TimeKey], fields = fields[0], fields[1:]
			}
			m[slog.LevelKey] = fields[0]
			for _, f := range fields[1:] {
				if key, value, ok := strings.Cut(f, "="); ok {
					nest(m, key, value)
				} else {
					m[slog.MessageKey] = f
				}
			}
			records = append(records, m)
		}
		return records
	})
	if err != nil {
		t.Error(err)
	}
}

// nest puts value at key, whose groups are separated by dots.
func nest(m map[string]any, key, value string) {
	if group, rest, ok := strings.Cut(key, "."); ok {
		inner, ok := m[group].(map[string]any)
		if !ok {
			inner = map[string]any{}
			m[group] = inner
		}
		nest(inner, rest, value)
		return
	}
	m[key] = value
}

func TestSiblingsDoNotShareAttributes(t *testing.T) {
	h, w := open(t, FormatText)
	parent := slog.New(h).With("a", 1).With("b", 2).With("c", 3)
	left, right := parent.With("d", "left"), parent.With("d", "right")
	left.Info("m")
	right.Info("m")
	if !strings.Contains(w.String(), "c=3 d=left\n") || !strings.Contains(w.String(), "c=3 d=right\n") {
		t.Errorf("got %s", w)
	}
}

func TestLevelChangesAtRunTime(t *testing.T) {
	for _, format := range []Format{FormatText, FormatJSON, FormatJournal} {
		level := new(slog.LevelVar)
		h, err := New(level, format, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		inner := h.WithAttrs([]slog.Attr{slog.Int("a", 1)}).WithGroup("g")
		ctx := context.Background()
		if inner.Enabled(ctx, slog.LevelDebug) || !inner.Enabled(ctx, slog.LevelInfo) {
			t.Errorf("%s: the level is not info at first", format)
		}
		level.Set(slog.LevelDebug)
		if !inner.Enabled(ctx, slog.LevelDebug) {
			t.Errorf("%s: debug is not enabled after the change", format)
		}
		level.Set(slog.LevelError)
		if inner.Enabled(ctx, slog.LevelWarn) {
			t.Errorf("%s: warn is still enabled after the change", format)
		}
	}
}

func TestJSONEscapesEveryControlByte(t *testing.T) {
	h, w := open(t, FormatJSON)
	slog.New(h).Info("m", "topic", nasty)
	line := strings.TrimSuffix(w.String(), "\n")
	for _, r := range line {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			t.Errorf("%U is in the line %q", r, line)
		}
	}
	var got struct{ Topic string }
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(nasty, "\xff", "\ufffd", 1); got.Topic != want {
		t.Errorf("it reads back as %q, want %q", got.Topic, want)
	}
}

func TestColourOnATerminalOnly(t *testing.T) {
	for _, test := range []struct {
		noColor, term, want string
	}{
		{"", "xterm", "\x1b[2m12:30:15.250\x1b[0m \x1b[33mWARN\x1b[0m  slow \x1b[2mtopic=\x1b[0m\"\\x1b\"\r\n"},
		{"1", "xterm", "2026-08-01T12:30:15.250Z WARN  slow topic=\"\\x1b\"\r\n"},
		{"", "dumb", "2026-08-01T12:30:15.250Z WARN  slow topic=\"\\x1b\"\r\n"},
	} {
		t.Setenv("NO_COLOR", test.noColor)
		t.Setenv("TERM", test.term)
		screen, tty, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		h, err := New(nil, FormatAuto, tty)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Handle(context.Background(), record(slog.LevelWarn, "slow", "topic", "\x1b")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(test.want))
		if _, err := io.ReadFull(screen, got); err != nil || string(got) != test.want {
			t.Errorf("NO_COLOR=%q TERM=%s: %v\ngot  %q\nwant %q", test.noColor, test.term, err, got, test.want)
		}
		_ = tty.Close()
		_ = screen.Close()
	}
}

func TestAutoIsTheJournalOnlyOnItsStream(t *testing.T) {
	var stderr syscall.Stat_t
	if err := syscall.Fstat(int(os.Stderr.Fd()), &stderr); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		stream string
		w      io.Writer
		want   string
	}{
		{fmt.Sprintf("%d:%d", stderr.Dev, stderr.Ino), os.Stderr, "*logs.native"},
		{fmt.Sprintf("%d:%d", stderr.Dev, stderr.Ino), io.Discard, "*logs.text"},
		{fmt.Sprintf("%d:%d", stderr.Dev, stderr.Ino+1), os.Stderr, "*logs.text"}, // inherited, but redirected since
		{"nonsense", os.Stderr, "*logs.text"},
		{"", os.Stderr, "*logs.text"},
	} {
		t.Setenv("JOURNAL_STREAM", test.stream)
		h, err := New(nil, FormatAuto, test.w)
		if got := fmt.Sprintf("%T", h); err != nil || got != test.want {
			t.Errorf("JOURNAL_STREAM=%s: %s, %v; want %s", test.stream, got, err, test.want)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if _, err := New(nil, "xml", io.Discard); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("got %v, want an error that names xml", err)
	}
}

// entry is what the journal was sent.
type entry struct {
	message  string
	priority journal.Priority
	fields   map[string]string
}

// fakeJournal takes entries, or refuses them with err.
type fakeJournal struct {
	entries []entry
	err     error
}

func (j *fakeJournal) send(message string, priority journal.Priority, fields map[string]string) error {
	if j.err != nil {
		return j.err
	}
	j.entries = append(j.entries, entry{message, priority, maps.Clone(fields)})
	return nil
}

func TestJournalFields(t *testing.T) {
	j := new(fakeJournal)
	h := newJournal(slog.LevelDebug, j.send, slog.DiscardHandler)
	slog.New(h).With("device", "greenhouse").WithGroup("tls").Warn("certificate expires", "not-after", "soon", "topic", nasty)
	if len(j.entries) != 1 {
		t.Fatalf("%d entries, want 1", len(j.entries))
	}
	got := j.entries[0]
	if want := `certificate expires device=greenhouse tls.not-after=soon tls.topic="a\x1b[2J\n\x00\x7f\u009b\u202e\xffé"`; got.message != want {
		t.Errorf("MESSAGE=%q, want %q", got.message, want)
	}
	if got.priority != journal.PriWarning {
		t.Errorf("PRIORITY=%d, want %d", got.priority, journal.PriWarning)
	}
	if file := got.fields["CODE_FILE"]; !strings.HasSuffix(file, "logs_test.go") || got.fields["CODE_LINE"] == "" || !strings.HasSuffix(got.fields["CODE_FUNC"], "TestJournalFields") {
		t.Errorf("the place in the source is wrong: %v", got.fields)
	}
	for _, code := range []string{"CODE_FILE", "CODE_LINE", "CODE_FUNC"} {
		delete(got.fields, code)
	}
	want := map[string]string{
		"SYSLOG_IDENTIFIER": "umqttd", "UMQTTD_MESSAGE": "certificate expires", "UMQTTD_DEVICE": "greenhouse",
		"UMQTTD_TLS_NOT_AFTER": "soon", "UMQTTD_TLS_TOPIC": `a\x1b[2J\n\x00\x7f\u009b\u202e\xffé`,
	}
	if !maps.Equal(got.fields, want) {
		t.Errorf("fields %q, want %q", got.fields, want)
	}
}

func TestJournalPriorities(t *testing.T) {
	j := new(fakeJournal)
	log := slog.New(newJournal(slog.LevelDebug, j.send, slog.DiscardHandler))
	log.Debug("m")
	log.Info("m")
	log.Warn("m")
	log.Error("m")
	var got []journal.Priority
	for _, e := range j.entries {
		got = append(got, e.priority)
	}
	if want := []journal.Priority{journal.PriDebug, journal.PriInfo, journal.PriWarning, journal.PriErr}; !slices.Equal(got, want) {
		t.Errorf("priorities %v, want %v", got, want)
	}
}

func TestJournalFieldNames(t *testing.T) {
	for key, want := range map[string]string{
		"device": "UMQTTD_DEVICE", "a.b-c d": "UMQTTD_A_B_C_D", "Größe1": "UMQTTD_GR__E1", strings.Repeat("k", 99): "UMQTTD_" + strings.Repeat("K", 57),
	} {
		if got := fieldName(key); got != want {
			t.Errorf("fieldName(%q) = %s, want %s", key, got, want)
		}
	}
}

func TestWhatTheJournalRefusesIsStillWritten(t *testing.T) {
	var w bytes.Buffer
	j := &fakeJournal{err: errors.New("no journal")}
	h := newJournal(slog.LevelInfo, j.send, newText(slog.LevelInfo, &w, false))
	slog.New(h).With("device", "greenhouse").WithGroup("g").Info("port opened", "a", 1)
	if !strings.HasSuffix(w.String(), "INFO  port opened device=greenhouse g.a=1\n") {
		t.Errorf("got %q", &w)
	}
}

func TestAtLeast(t *testing.T) {
	h, w := open(t, FormatText)
	quiet := slog.New(AtLeast(h, slog.LevelWarn)).With("a", 1).WithGroup("g")
	quiet.Info("hidden")
	quiet.Warn("shown", "b", 2)
	if got := w.String(); strings.Contains(got, "hidden") || !strings.HasSuffix(got, "WARN  shown a=1 g.b=2\n") {
		t.Errorf("got %q", got)
	}
	if strict, _ := New(slog.LevelError, FormatText, io.Discard); AtLeast(strict, slog.LevelWarn).Enabled(context.Background(), slog.LevelWarn) {
		t.Error("AtLeast lowered the level of its handler")
	}
}
