package browser

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/test/patience"
)

// rows are what the tables of a page say, but for times and latencies, which go on.
const rows = `[...document.querySelectorAll("h1, h2, .head .pill, .problem, .counts div, thead th, tbody th, tbody td:not(.messages, [data-label='Round trip']), .topics code, .topics .size, .none, .settings div")].map(e => e.innerText)`

var moment = regexp.MustCompile(`for \d+ (s|min).*|\d+ s ago|now`)

// TestWithoutScript reads the page with JavaScript switched off: the same rows, the same lines of latencies, and what is new comes by itself, a little later.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	r := life(t)
	for _, path := range []string{"/", "/devices/greenhouse"} {
		with, without := r.open(path, look{}), r.open(path, look{scriptless: true})
		with.wait("#connection", "live")
		without.wait("main noscript", "every 5 seconds")
		if text := without.text("#connection"); text != "" {
			t.Errorf("without JavaScript it says %q", text)
		}
		read := func(w *window) []string {
			var all []string
			for _, text := range eval[[]string](w, rows) {
				all = append(all, moment.ReplaceAllString(text, "…"))
			}
			return all
		}
		// A message may be on its way yet, and the gateway's own answers are counted too.
		var live, plain []string
		same := func() bool {
			without.visit(path)
			live, plain = read(with), read(without)
			return slices.Equal(live, plain)
		}
		if !patience.Within(patience.Limit, same) {
			t.Errorf("%s with JavaScript:\n%s\nwithout:\n%s", path, strings.Join(live, "\n"), strings.Join(plain, "\n"))
		}
		if len(plain) < 20 {
			t.Errorf("%s: only %q", path, plain)
		}
		if n := eval[int](without, `document.querySelectorAll("polyline").length`); n == 0 {
			t.Errorf("%s: no latency is drawn", path)
		}
	}
	w := r.open("/", look{scriptless: true})
	w.wait("#device-workshop", "No board is connected.")
	b := r.board("workshop", "late")
	publish(b, "workshop/lathe", "on")
	w.wait("#device-workshop tbody", "workshop/lathe")
	if len(w.heard()) > 0 {
		t.Error("it hears events without JavaScript")
	}
}
