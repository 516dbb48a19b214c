// Package certs makes X.509 certificates for tests, at run time, into a folder of the test.
//
// No key is kept in the repository, nothing expires on a shelf, and every test has an authority of its own, so that "signed by somebody
// else" is as easy to write as "signed by ours":
//
//	ca := certs.NewAuthority(t, t.TempDir(), "ca")
//	server := ca.Server(t, "server", time.Time{})
//	client := ca.Client(t, "greenhouse-1", time.Time{})
//
// Keys are ECDSA P-256, in PKCS #8, readable by their owner only. Certificates are PEM.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Validity is how long a certificate is good for when the caller does not say.
const Validity = 24 * time.Hour

// skew is how far back a certificate's life begins, so that a machine whose clock was just stepped still accepts it.
const skew = time.Hour

// Authority is a certificate authority that lives for one test.
type Authority struct {
	// CertFile is the authority's own certificate, for a ca_file.
	CertFile string

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is a certificate and its private key, as files.
type Pair struct {
	CertFile string // mode 0644
	KeyFile  string // mode 0600
}

// NewAuthority makes an authority named name and writes its certificate to dir/name.pem. Everything it issues goes to dir too.
func NewAuthority(t testing.TB, dir, name string) *Authority {
	t.Helper()
	return NewAuthorityUntil(t, dir, name, time.Time{})
}

// NewAuthorityUntil is NewAuthority for an authority that ends at notAfter; the zero time means a day from now.
func NewAuthorityUntil(t testing.TB, dir, name string, notAfter time.Time) *Authority {
	t.Helper()
	a := &Authority{dir: dir, key: newKey(t)}
	template := newTemplate(t, name, notAfter)
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	a.cert = sign(t, template, template, a.key, a.key)
	a.CertFile = filepath.Join(dir, name+".pem")
	writePEM(t, a.CertFile, "CERTIFICATE", a.cert.Raw, 0o644)
	return a
}

// Server issues a certificate for localhost, 127.0.0.1 and ::1 as dir/name.pem and dir/name.key. The zero notAfter means a day from now.
func (a *Authority) Server(t testing.TB, name string, notAfter time.Time) Pair {
	t.Helper()
	template := newTemplate(t, "localhost", notAfter)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	return a.issue(t, name, template)
}

// Client issues a certificate whose common name is name, as dir/name.pem and dir/name.key. A broker with use_identity_as_username takes that
// name for the user's. The zero notAfter means a day from now.
func (a *Authority) Client(t testing.TB, name string, notAfter time.Time) Pair {
	t.Helper()
	template := newTemplate(t, name, notAfter)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(t, name, template)
}

// issue signs template with a fresh key and writes both. An earlier pair of that name is overwritten, which is how a test rotates one.
func (a *Authority) issue(t testing.TB, name string, template *x509.Certificate) Pair {
	t.Helper()
	key := newKey(t)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	cert := sign(t, template, a.cert, key, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("certs: encode key of %s: %v", name, err)
	}
	pair := Pair{CertFile: filepath.Join(a.dir, name+".pem"), KeyFile: filepath.Join(a.dir, name+".key")}
	writePEM(t, pair.CertFile, "CERTIFICATE", cert.Raw, 0o644)
	writePEM(t, pair.KeyFile, "PRIVATE KEY", der, 0o600)
	return pair
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("certs: make a key: %v", err)
	}
	return key
}

// newTemplate returns what every certificate has. The serial number is random: two authorities of one test must not look alike.
func newTemplate(t testing.TB, commonName string, notAfter time.Time) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		t.Fatalf("certs: make a serial number: %v", err)
	}
	if notAfter.IsZero() {
		notAfter = time.Now().Add(Validity)
	}
	notBefore := time.Now().Add(-skew)
	if notAfter.Before(notBefore) {
		notBefore = notAfter.Add(-skew)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    notBefore,
		NotAfter:     notAfter,
	}
}

func sign(t testing.TB, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatalf("certs: sign %s: %v", template.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("certs: read back %s: %v", template.Subject.CommonName, err)
	}
	return cert
}

func writePEM(t testing.TB, path, kind string, der []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		t.Fatalf("certs: %v", err)
	}
}
