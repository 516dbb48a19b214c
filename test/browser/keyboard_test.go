package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestKeyboard goes through the pages with the Tab key: everything that can be used has its turn, in the order in which it is read, and shows that it has.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	r := life(t)
	for _, path := range []string{"/", "/devices/greenhouse"} {
		w := r.open(path, look{})
		w.wait("#connection", "live")
		const name = `(e => e.getAttribute("href") ?? e.getAttribute("aria-label") ?? e.textContent)`
		want := eval[[]string](w, `[...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter(e => e.checkVisibility()).map(`+name+`)`)
		if len(want) < 3 {
			t.Fatalf("%s: a person can use %q only", path, want)
		}
		for i, element := range want {
			press(w, kb.Tab)
			at := eval[struct {
				Name, Outline string
				Visible       bool
			}](w, `(e => { const s = getComputedStyle(e), b = e.getBoundingClientRect(); return {
				Name: `+name+`(e), Outline: s.outlineStyle + " " + s.outlineWidth, Visible: b.top >= 0 && b.bottom <= innerHeight,
			}})(document.activeElement)`)
			if at.Name != element {
				t.Fatalf("%s: Tab %d leads to %q, want %q", path, i+1, at.Name, element)
			}
			if at.Outline != "solid 2px" || !at.Visible {
				t.Errorf("%s: %q has the focus, but its outline is %q, and it is in the window: %v", path, at.Name, at.Outline, at.Visible)
			}
		}
	}
}

// TestDetailsStayOpen opens the console by keyboard. What comes then changes neither that nor where the focus is.
func TestDetailsStayOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t, []string{"attic"})
	b := r.board("attic", "attic-1")
	b.Print("boot\n")
	w := r.open("/", look{})
	w.wait("summary", "1 line")
	eval[bool](w, `document.querySelector("summary").focus() ?? true`)
	press(w, kb.Enter)
	w.wait("pre", "boot")
	b.Print("second\nthird\n")
	w.wait("pre", "third")
	if !eval[bool](w, `document.querySelector("details").open && document.activeElement === document.querySelector("summary")`) {
		t.Error("the console is closed again, or the focus is elsewhere")
	}
	for range 30 {
		b.Print("and so on\n")
	}
	b.Print("the last\n")
	w.wait("pre", "the last")
	if !eval[bool](w, `(p => {
		const text = document.createRange();
		text.selectNodeContents(p);
		return p.scrollHeight > p.clientHeight && [...text.getClientRects()].at(-1).bottom <= p.getBoundingClientRect().bottom;
	})(document.querySelector("pre"))`) {
		t.Error("the last line of the console is not the one that is seen")
	}
	if text := w.text("summary"); !strings.Contains(text, "20 lines") {
		t.Errorf("the console says %q, want 20 lines", text)
	}
}

func press(w *window, key string) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, chromedp.KeyEvent(key)); err != nil {
		w.t.Fatalf("browser: press a key: %v", err)
	}
}
