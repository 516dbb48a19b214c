package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umqttd/umqttd/test/certs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// leaf loads a pair the way a TLS program does, which proves that key and certificate belong together.
func leaf(t *testing.T, pair certs.Pair) *x509.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func pool(t *testing.T, ca *certs.Authority) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(ca.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", ca.CertFile)
	}
	return roots
}

func TestServerCertificateServesLoopbackOnly(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	cert := leaf(t, ca.Server(t, "server", time.Time{}))
	for name, good := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "example.org": false, "127.0.0.2": false} {
		_, err := cert.Verify(x509.VerifyOptions{Roots: pool(t, ca), DNSName: name})
		if (err == nil) != good {
			t.Errorf("verify for %s: error %v, want good %v", name, err, good)
		}
	}
}

func TestClientCertificateIsForClientsAndNamed(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	cert := leaf(t, ca.Client(t, "greenhouse-1", time.Time{}))
	if cert.Subject.CommonName != "greenhouse-1" {
		t.Errorf("common name %q, want greenhouse-1", cert.Subject.CommonName)
	}
	options := x509.VerifyOptions{Roots: pool(t, ca), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := cert.Verify(options); err != nil {
		t.Errorf("as a client's: %v", err)
	}
	options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if _, err := cert.Verify(options); err == nil {
		t.Error("a client's certificate passes for a server's")
	}
}

func TestAnotherAuthorityIsAnother(t *testing.T) {
	ours, theirs := certs.NewAuthority(t, t.TempDir(), "ca"), certs.NewAuthority(t, t.TempDir(), "ca")
	cert := leaf(t, theirs.Server(t, "server", time.Time{}))
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(t, ours)}); err == nil {
		t.Error("a certificate of one authority verifies against another of the same name")
	}
}

func TestNotAfterIsTheCallers(t *testing.T) {
	past, future := time.Now().Add(-48*time.Hour).Truncate(time.Second), time.Now().Add(90*24*time.Hour).Truncate(time.Second)
	ca := certs.NewAuthorityUntil(t, t.TempDir(), "ca", future)
	text, err := os.ReadFile(ca.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !root.NotAfter.Equal(future) {
		t.Errorf("authority ends %v, want %v", root.NotAfter, future)
	}
	expired := leaf(t, ca.Server(t, "expired", past))
	if !expired.NotAfter.Equal(past) {
		t.Errorf("certificate ends %v, want %v", expired.NotAfter, past)
	}
	if _, err := expired.Verify(x509.VerifyOptions{Roots: pool(t, ca)}); err == nil {
		t.Error("an expired certificate verifies")
	}
}

func TestKeyIsReadableByItsOwnerOnly(t *testing.T) {
	pair := certs.NewAuthority(t, t.TempDir(), "ca").Client(t, "board", time.Time{})
	info, err := os.Stat(pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("key file mode %v, want 0600", info.Mode().Perm())
	}
}
