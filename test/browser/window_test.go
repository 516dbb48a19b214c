package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/umqttd/umqttd/test/patience"
)

// look is how somebody looks at a page. The zero value is a desk in daylight.
type look struct {
	dark       bool
	width      int64 // 0: 1280
	media      string
	still      bool // prefers reduced motion
	scriptless bool
}

// window is a page that somebody looks at. Its methods belong to the test's goroutine.
type window struct {
	t      testing.TB
	ctx    context.Context
	origin string // where all requests go
	width  int64  // as wide as it is

	mu       sync.Mutex
	faults   []string
	allowed  []string // a fault that says one of these is none
	requests []string // method and URL, as long as no fault
	events   []string // what server-sent events said
}

// open opens a page of the gateway. At the end of the test it must have been without fault.
func (r *rig) open(path string, l look) *window {
	r.t.Helper()
	w := &window{t: r.t, origin: "http://" + r.gateway.HTTP()}
	ctx, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.note))
	w.ctx = ctx
	r.t.Cleanup(func() {
		w.check()
		_ = chromedp.Cancel(ctx)
		cancel()
	})
	// The first use makes the window, for as long as the context of this very use lasts.
	if err := chromedp.Do(ctx); err != nil {
		r.t.Fatalf("browser: a new window: %v", err)
	}
	call(w, network.Enable, network.EnableParams{})
	call(w, log.Enable, cdp.Empty{})
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.scriptless})
	w.see(l)
	w.visit(path)
	return w
}

// see changes how somebody looks at it.
func (w *window) see(l look) {
	w.t.Helper()
	if l.width == 0 {
		l.width = 1280
	}
	w.width = l.width
	media := emulation.SetEmulatedMediaParams{Media: l.media}
	for feature, value := range map[string]string{
		"prefers-color-scheme":   map[bool]string{true: "dark", false: "light"}[l.dark],
		"prefers-reduced-motion": map[bool]string{true: "reduce", false: "no-preference"}[l.still],
	} {
		media.Features = append(media.Features, &emulation.MediaFeature{Name: feature, Value: value})
	}
	call(w, emulation.SetEmulatedMedia, media)
	call(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: l.width, Height: 900, DeviceScaleFactor: 1, Mobile: l.width < 600,
	})
}

// visit goes to a page and waits until it is loaded.
func (w *window) visit(path string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience.Limit)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(w.origin+path)); err != nil {
		w.t.Fatalf("browser: open %s: %v", path, err)
	}
}

// call gives the window a command of the DevTools protocol.
func call[P, R any](w *window, command cdp.Command[P, R], params P) R {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience.Limit)
	defer cancel()
	answer, err := chromedp.Call(ctx, command, params)
	if err != nil {
		w.t.Fatalf("browser: %s: %v", command.Method, err)
	}
	return answer
}

// eval returns the value of a JavaScript expression.
func eval[T any](w *window, expression string) T {
	w.t.Helper()
	answer := call(w, runtime.Evaluate, runtime.EvaluateParams{Expression: expression, ReturnByValue: new(true), AwaitPromise: new(true)})
	if e := answer.ExceptionDetails; e != nil {
		w.t.Fatalf("browser: %s: %s", expression, exception(e))
	}
	var value T
	if err := json.Unmarshal(answer.Result.Value, &value); err != nil {
		w.t.Fatalf("browser: %s is %s: %v", expression, answer.Result.Value, err)
	}
	return value
}

// text returns what a person reads in the first element of a selector; "" if there is none.
func (w *window) text(selector string) string {
	w.t.Helper()
	return eval[string](w, fmt.Sprintf("(document.querySelector(%s)?.innerText ?? '').replaceAll('\\u202f', '')", quote(selector)))
}

// wait waits until an element says something.
func (w *window) wait(selector, want string) {
	w.t.Helper()
	last := ""
	if !patience.Within(patience.Limit, func() bool { last = w.text(selector); return strings.Contains(last, want) }) {
		w.t.Fatalf("%s does not say %q after %v, but:\n%s", selector, want, patience.Limit, last)
	}
}

// quote returns a text as JavaScript writes it.
func quote(text string) string {
	b, _ := json.Marshal(text) // a string never fails
	return string(b)
}

// note is told of everything that happens in the window. It runs on chromedp's goroutine.
func (w *window) note(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		w.fault("console.%s was called", e.Type)
	case *runtime.EventExceptionThrown:
		w.fault("%s", exception(e.ExceptionDetails))
	case *log.EventEntryAdded:
		w.fault("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventRequestWillBeSent:
		w.requests = append(w.requests, e.Request.Method+" "+e.Request.URL)
		if !strings.HasPrefix(e.Request.URL, w.origin+"/") {
			w.fault("it asks somebody else for %s", e.Request.URL)
		}
		if e.Request.Method != http.MethodGet {
			w.fault("%s %s", e.Request.Method, e.Request.URL)
		}
	case *network.EventWebSocketCreated:
		w.fault("it opens a WebSocket to %s", e.URL)
	case *network.EventEventSourceMessageReceived:
		w.events = append(w.events, e.Data)
	}
}

// fault notes what should not be. w.mu is held.
func (w *window) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.ContainsFunc(w.allowed, func(what string) bool { return strings.Contains(text, what) }) {
		w.faults = append(w.faults, text)
	}
}

func exception(e *runtime.ExceptionDetails) string {
	text := fmt.Sprintf("%s at %s:%d", e.Text, e.URL, e.LineNumber+1)
	if e.Exception != nil {
		text += ": " + e.Exception.Description
	}
	return text
}

// mayBreak says what the browser may complain of from now on.
func (w *window) mayBreak(what ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed = append(w.allowed, what...)
}

// mayLose says that the gateway will be away for a while.
func (w *window) mayLose() { w.mayBreak("Failed to load resource") }

// settle waits until an expression is true.
func (w *window) settle(expression string) {
	w.t.Helper()
	patience.Wait(w.t, expression, func() bool { return eval[bool](w, "!!("+expression+")") })
}

// heard returns what server-sent events have said.
func (w *window) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.events...)
}

// check fails the test for what was wrong with the window.
func (w *window) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fault := range w.faults {
		w.t.Errorf("in the browser: %s", fault)
	}
	if len(w.requests) == 0 {
		w.t.Error("browser: the window asked for nothing; its requests are not seen")
	}
}

// shot returns a picture of the whole page.
func (w *window) shot() []byte {
	w.t.Helper()
	size := eval[struct{ Width, Height float64 }](w, "({width: document.documentElement.clientWidth, height: document.documentElement.scrollHeight})")
	return call(w, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: new(true), Clip: &page.Viewport{Width: size.Width, Height: size.Height, Scale: 1},
	}).Data
}
