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
