package browser

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shots is where TestEveryPageIsSound leaves pictures, for a person to look at.
var shots = flag.String("shots", "", "folder for screenshots of every page")

// views are the ways to look at a page. What is sound is so in all of them.
var views = map[string]look{
	"light": {},
	"dark":  {dark: true},
	"phone": {width: 360},
	"small": {width: 320, dark: true}, // 1280 pixels at 400 %
	"print": {dark: true, width: 794, media: "print"},
}

// judged are those that axe-core looks at: the others have the same colours and elements, elsewhere.
var judged = map[string]bool{"light": true, "dark": true, "phone": true}

// pages are those of life that differ.
var pages = []string{"/", "/devices/greenhouse", "/devices/cellar"}

// TestEveryPageIsSound looks at every page in every way: axe-core finds nothing, nothing is cut off, and whoever wants no motion sees none.
func TestEveryPageIsSound(t *testing.T) {
	t.Parallel()
	full, empty := life(t), newRig(t, nil)
	for _, name := range slices.Sorted(maps.Keys(views)) {
		w := full.open("/", views[name])
		for _, path := range pages {
			if path != "/" {
				w.visit(path)
			}
			w.wait("#connection", map[bool]string{true: "", false: "live"}[views[name].media == "print"])
			w.wantSound(name+" "+path, judged[name])
			w.keep(name + strings.ReplaceAll(path, "/", "-"))
		}
		w = empty.open("/", views[name])
		w.wait("main, #top", "No device is configured.")
		w.wantSound(name+" of an empty gateway", judged[name])
		w.keep(name + "-empty")
	}
}

func (w *window) wantSound(where string, accessible bool) {
	w.t.Helper()
	if accessible {
		w.wantAccessible(where)
	}
	// What is wider than the window makes it scroll sideways, or a phone show everything smaller.
	for _, wide := range eval[[]string](w, fmt.Sprintf(`[...document.querySelectorAll("body, body *")]
		.filter(e => e.getBoundingClientRect().right > %d.5 && !e.closest("thead"))
		.map(e => e.outerHTML.slice(0, 120))`, w.width)) {
		w.t.Errorf("%s: wider than the window: %s", where, wide)
	}
	if width := eval[int64](w, "document.scrollingElement.scrollWidth"); width > w.width {
		w.t.Errorf("%s: it is %d pixels wide, the window %d", where, width, w.width)
	}
	for _, moving := range eval[[]string](w, `document.getAnimations().map(a => a.effect?.target?.outerHTML.slice(0, 120) ?? "?")`) {
		w.t.Errorf("%s: it moves: %s", where, moving)
	}
}

// keep takes a picture if somebody wants to see it.
func (w *window) keep(name string) {
	w.t.Helper()
	if *shots == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), w.shot(), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// TestSoundness shows that what is wrong would be seen.
func TestSoundness(t *testing.T) {
	t.Parallel()
	w := newRig(t, nil).open("/", look{width: 360})
	eval[bool](w, `document.querySelector("footer").insertAdjacentHTML("beforeend", '<img src="icon.svg" width="9">') ?? true`)
	var found []string
	for _, v := range w.violations() {
		found = append(found, v.ID)
	}
	if !slices.Contains(found, "image-alt") {
		t.Errorf("axe-core does not find an image without a text, but %q", found)
	}
	if media := eval[string](w, `["(prefers-color-scheme: light)", "print", "(max-width: 36rem)"].filter(m => matchMedia(m).matches).join(" ")`); media != "(prefers-color-scheme: light) (max-width: 36rem)" {
		t.Errorf("a phone in daylight is %s", media)
	}
	w.see(look{dark: true, media: "print"})
	if media := eval[string](w, `["(prefers-color-scheme: dark)", "print", "(max-width: 36rem)"].filter(m => matchMedia(m).matches).join(" ")`); media != "(prefers-color-scheme: dark) print" {
		t.Errorf("a dark sheet of paper is %s", media)
	}
}

// TestPaperIsWhite prints what is looked at in the dark.
func TestPaperIsWhite(t *testing.T) {
	t.Parallel()
	w := newRig(t, []string{"attic"}).open("/", look{dark: true})
	const colours = `["body", ".device", ".device h2 a"].map(s => getComputedStyle(document.querySelector(s)).backgroundColor + " " + getComputedStyle(document.querySelector(s)).color).join("; ")`
	dark := eval[string](w, colours)
	w.see(look{dark: true, media: "print"})
	printed := eval[string](w, colours)
	w.see(look{})
	daylight := eval[string](w, colours)
	if dark == daylight || !strings.HasSuffix(daylight, printed[strings.Index(printed, ";"):]) {
		t.Errorf("dark: %s; in print: %s; in daylight: %s", dark, printed, daylight)
	}
}
