package browser

import (
	"strings"
	"testing"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// evil is what a hostile board says wherever it can.
const evil = `<script>hacked=1</script><img src=x onerror=hacked=2>"'><svg onload=hacked=3>&amp;{{.}}`

// TestHostileBoard lets a board say in its client id, topics, subscriptions, payloads and on its console what would be a script. People read it as it is, on the page as it comes and
// as it changes, and nothing else happens: no script runs, none is even refused by the policy, nobody is asked for a picture.
func TestHostileBoard(t *testing.T) {
	t.Parallel()
	r := newRig(t, []string{"attic"}, "http: {show_payloads: true}")
	b := cable.NewBoard(t, r.lines["attic"], board.Config{ClientID: "m" + evil})
	b.Wait(board.Connected, 1)
	attack := func(turn string) {
		topic := turn + strings.NewReplacer("+", "", "#", "").Replace(evil)
		b.Subscribe(topic+"/s", 1)
		publish(b, topic, "p"+turn+evil)
		b.Print("c" + turn + evil + "\n")
	}
	attack("before")
	all, own := r.open("/", look{}), r.open("/devices/attic", look{})
	for turn, page := range map[string]*window{"all": all, "own": own} {
		page.wait("#connection", "live")
		attack(turn) // patched into a page that is there
		page.wait("tbody th", "m"+evil)
		page.wait(".topics", turn+evil)
		page.wait(".topics q", ("p" + turn + evil)[:64]+"…")
		eval[bool](page, `(d => { if (d) d.open = true; return true })(document.querySelector("details"))`)
		page.wait("pre", "c"+turn+evil)
	}
	own.wait(".settings", "before"+evil+"/s")
	own.see(look{width: 360})
	for name, page := range map[string]*window{"hostile": all, "hostile-own": own} {
		page.wantSound(name, true)
		page.keep(name)
		if eval[bool](page, `"hacked" in window`) {
			t.Error("a script of the board has run")
		}
		if n := eval[int](page, `document.querySelectorAll("script:not([src]), img, svg:not(.spark), [onload], [onerror]").length`); n > 0 {
			t.Errorf("%d elements are the board's", n)
		}
	}
}

// TestPolicyIsInForce shows that a script that got into the page all the same would not run.
func TestPolicyIsInForce(t *testing.T) {
	t.Parallel()
	w := newRig(t, nil).open("/", look{})
	eval[bool](w, `document.addEventListener("securitypolicyviolation", e => { (window.refused ??= []).push(e.effectiveDirective) }) ?? true`)
	w.mayBreak("Content Security Policy", "data:image/gif")
	eval[bool](w, `document.body.insertAdjacentHTML("beforeend", "<button onclick='hacked=1'>x</button><img alt='' src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>") ?? true`)
	eval[bool](w, `document.querySelector("button").click() ?? true`)
	w.settle("window.refused?.includes('script-src-attr') && window.refused.includes('img-src')")
	if eval[bool](w, `"hacked" in window`) {
		t.Error("the script has run")
	}
}

// TestPayloadsAreHidden unless the configuration shows them: not on the page, not in what comes later.
func TestPayloadsAreHidden(t *testing.T) {
	t.Parallel()
	const before, after = "payload-before", "payload-after"
	for _, shown := range []bool{false, true} {
		further := "http: {show_payloads: false}"
		if shown {
			further = "http: {show_payloads: true}"
		}
		r := newRig(t, []string{"attic"}, further)
		b := r.board("attic", "attic-1")
		publish(b, "attic/temperature", before)
		for _, path := range []string{"/", "/devices/attic"} {
			w := r.open(path, look{})
			w.wait("#connection", "live")
			publish(b, "attic/"+strings.Trim(strings.ReplaceAll(path, "/", "-"), "-"), after)
			w.wait(".topics .size", "13 B")
			patience.Wait(t, "the event with the message is seen", func() bool { return strings.Contains(strings.Join(w.heard(), "\n"), "13 B") })
			seen := eval[string](w, "document.documentElement.outerHTML") + strings.Join(w.heard(), "\n")
			for _, payload := range []string{before, after} {
				if strings.Contains(seen, payload) != shown {
					t.Errorf("%s: show_payloads is %v, and %q is there: %v", path, shown, payload, !shown)
				}
			}
		}
	}
}
