package daemon

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/logs/logtest"
	"github.com/umqttd/umqttd/test/certs"
)

// expiry returns when the metrics say that a device's certificate ends; zero if they
// do not.
func expiry(d *Daemon, device string) time.Time {
	_, after, found := strings.Cut(scrape(d), `umqttd_certificate_expiry_timestamp_seconds{device="`+device+`",kind="cert"} `)
	number, _, _ := strings.Cut(after, "\n")
	seconds, err := strconv.ParseFloat(number, 64)
	if !found || err != nil {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// TestCertificateExpiry: the metrics follow the files, also when no session connects.
// A file that cannot be used is said once, for all who use it, and changes nothing.
func TestCertificateExpiry(t *testing.T) {
	dir := t.TempDir()
	ca := certs.NewAuthority(t, dir, "ca")
	soon, later := time.Now().Add(time.Hour).Truncate(time.Second), time.Now().Add(9*time.Hour).Truncate(time.Second)
	pair := ca.Client(t, "own", soon)
	cfg := parse(t, fmt.Sprintf(`
broker: {url: "mqtts://h", tls: {ca_file: %s, cert_file: %s, key_file: %s}}
devices:
  - {name: a, port: /dev/a}
  - {name: b, port: /dev/b}
  - {name: c, port: /dev/c, broker: {url: "mqtt://h"}}
`, ca.CertFile, pair.CertFile, pair.KeyFile))
	synctest.Test(t, func(t *testing.T) {
		var book logtest.Book
		d, err := New(cfg, Options{Log: book.Logger()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.certificates.Run(ctx) }()
		<-d.certificates.Ready()
		want := func(expires time.Time, said int, what string) {
			t.Helper()
			for _, device := range []string{"a", "b"} {
				if got := expiry(d, device); !got.Equal(expires) {
					t.Errorf("the certificate of %s ends %v, want %v", device, got, expires)
				}
			}
			if got := expiry(d, "c"); !got.IsZero() {
				t.Errorf("without TLS, a certificate ends %v", got)
			}
			if n := strings.Count(book.String(), what); n != said {
				t.Errorf("said %d times, want %d: %s\n%s", n, said, what, &book)
			}
		}
		const unusable = "new TLS files cannot be used"
		want(soon, 0, unusable)

		ca.Client(t, "own", later)
		time.Sleep(certificatesEvery)
		synctest.Wait()
		want(later, 0, unusable)

		if err := os.WriteFile(pair.CertFile, []byte("half a certif"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * certificatesEvery)
		synctest.Wait()
		want(later, 1, unusable)
		want(later, 1, `for="the gateway's own session, a, b"`)

		ca.Client(t, "own", soon)
		if err := os.Chmod(pair.KeyFile, 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * certificatesEvery)
		synctest.Wait()
		want(soon, 1, "TLS files can be used again")
		want(soon, 1, "private key is open to others")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestCertificatesFollowAReload: files that are new are looked at, and those of a device
// that has none any more leave the metrics. What was said of the others is not said again.
func TestCertificatesFollowAReload(t *testing.T) {
	dir := t.TempDir()
	ca := certs.NewAuthority(t, dir, "ca")
	ends := time.Now().Add(time.Hour).Truncate(time.Second)
	pair := ca.Client(t, "own", ends)
	configure := func(a, b string) *config.Config {
		tls := fmt.Sprintf("{url: \"mqtts://h\", tls: {ca_file: %s, cert_file: %s, key_file: %s}}", ca.CertFile, pair.CertFile, pair.KeyFile)
		return parse(t, fmt.Sprintf("devices: [{name: a, port: /dev/a, broker: %s}, {name: b, port: /dev/b, broker: %s}]", strings.ReplaceAll(a, "TLS", tls), strings.ReplaceAll(b, "TLS", tls)))
	}
	before, after := configure("TLS", "{}"), configure("{}", "TLS")
	var book logtest.Book
	d, err := New(before, Options{Log: book.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pair.CertFile, []byte("half a certif"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.certificates.look()
	ca.Client(t, "own", ends)
	for _, step := range []struct {
		cfg  *config.Config
		a, b time.Time
	}{{before, ends, time.Time{}}, {after, time.Time{}, ends}, {after, time.Time{}, ends}, {before, ends, time.Time{}}} {
		d.certificates.watch(step.cfg, d.metrics)
		d.certificates.look()
		if a, b := expiry(d, "a"), expiry(d, "b"); !a.Equal(step.a) || !b.Equal(step.b) {
			t.Errorf("the certificates end %v and %v, want %v and %v", a, b, step.a, step.b)
		}
	}
	for _, said := range []string{"new TLS files cannot be used", "TLS files can be used again"} {
		if n := strings.Count(book.String(), said); n != 1 {
			t.Errorf("said %d times: %s", n, said)
		}
	}
}
