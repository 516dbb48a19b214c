package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/chromedp/chromedp"

	"github.com/umqttd/umqttd/test/patience"
)

// install is what makes what is missing.
const install = "test/browser/install"

// chromium is the one browser of all tests. Each window of theirs has a profile of its own.
var chromium struct {
	ctx  context.Context
	stop context.CancelFunc // of the program that starts browsers

	mu       sync.Mutex
	mistakes []string // what the library could not read
}

// startChromium starts the browser, which keeps its files in dir.
func startChromium(dir string) error {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return fmt.Errorf("browser: %w; run %s", err, install)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Env("HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir),
		chromedp.DisableGPU,
		// Nobody but the gateway is there, whatever a page or the browser itself may ask for.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Flag("lang", "en"),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // there is none for root
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	chromium.ctx, _ = chromedp.NewContext(ctx, chromedp.WithErrorf(mistake), chromedp.WithLogf(func(string, ...any) {}))
	chromium.stop = stop
	if err := chromedp.Do(chromium.ctx); err != nil {
		stop()
		return fmt.Errorf("browser: %s does not start; ordinary users may need Debian's chromium-sandbox, which %s installs: %w", path, install, err)
	}
	return nil
}

// mistake notes what the library says of a browser that it does not understand: an event that it cannot read is one that a test would not see. That it has no use for an
// event is none.
func mistake(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if strings.HasPrefix(text, "unhandled ") {
		return
	}
	chromium.mu.Lock()
	defer chromium.mu.Unlock()
	chromium.mistakes = append(chromium.mistakes, text)
}

// stopChromium ends the browser and says what went wrong with it.
func stopChromium() error {
	ctx, cancel := context.WithTimeout(chromium.ctx, patience.Limit)
	defer cancel()
	err := chromedp.Cancel(ctx)
	chromium.stop()
	chromium.mu.Lock()
	defer chromium.mu.Unlock()
	if len(chromium.mistakes) > 0 {
		return fmt.Errorf("browser: chromedp does not understand this Chromium; a newer release may:\n%s", strings.Join(chromium.mistakes, "\n"))
	}
	if err != nil {
		return fmt.Errorf("browser: %w", err)
	}
	return nil
}
