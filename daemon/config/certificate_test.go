package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// keyPair is a certificate, signed by itself and valid from from to until, with its key.
func keyPair(t *testing.T, from, until time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

var (
	longAgo  = time.Date(2001, 2, 3, 0, 0, 0, 0, time.UTC)
	aWhile   = time.Date(2002, 3, 4, 0, 0, 0, 0, time.UTC)
	farAhead = time.Date(2200, 5, 6, 0, 0, 0, 0, time.UTC)
	farther  = time.Date(2201, 7, 8, 0, 0, 0, 0, time.UTC)
)

func TestCertificates(t *testing.T) {
	good, goodKey := keyPair(t, longAgo, farAhead)
	_, otherKey := keyPair(t, longAgo, farAhead)
	expired, expiredKey := keyPair(t, longAgo, aWhile)
	future, _ := keyPair(t, farAhead, farther)
	for _, c := range []struct{ name, tls, want string }{
		{"a good pair", `{ca_file: good.pem, cert_file: good.pem, key_file: good.key}`, ""},
		{"one file for both", `{cert_file: both.pem, key_file: both.pem}`, ""},
		{
			"somebody else's key", `{cert_file: good.pem, key_file: other.key}`,
			"umqttd.yaml:3: broker.tls.key_file: other.key: tls: private key does not match public key; write the key that good.pem was made for\n",
		},
		{
			"expired and not yet valid are warnings", `{ca_file: future.pem, cert_file: expired.pem, key_file: expired.key}`,
			"warning: umqttd.yaml:3: broker.tls.ca_file: future.pem: a certificate is valid only from 2200-05-06; look at this machine's clock\n" +
				"warning: umqttd.yaml:3: broker.tls.cert_file: expired.pem: a certificate expired on 2002-03-04; renew it\n",
		},
		{
			"a chain with a broken link", `{ca_file: chain.pem}`,
			"umqttd.yaml:3: broker.tls.ca_file: chain.pem: x509: malformed certificate; write a file of PEM certificates\n",
		},
		{
			"a chain that is cut off", `{ca_file: cut.pem}`,
			"umqttd.yaml:3: broker.tls.ca_file: cut.pem: 1 of 2 certificates are cut off or damaged; write the whole file again\n",
		},
		{
			"what only the session knows", `{cert_file: good.pem, key_file: comment.key}`,
			"umqttd.yaml:3: broker.tls: key file comment.key: is encrypted, and nobody is there to type the pass phrase\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := folder(t, map[string]string{
				"umqttd.yaml": "broker:\n  url: mqtts://broker.example.org\n  tls: " + c.tls + "\ndevices:\n  - {name: a, port: /dev/a}\n",
				"good.pem":    good, "good.key": goodKey, "other.key": otherKey, "expired.pem": expired, "expired.key": expiredKey, "future.pem": future,
				"cut.pem": good + good[:len(good)/2], "comment.key": "was ENCRYPTED once\n" + goodKey,
				"both.pem": goodKey + good, "chain.pem": good + "-----BEGIN CERTIFICATE-----\nanVuaw==\n-----END CERTIFICATE-----\n",
			})
			if got := said(t, path); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// A device shows a certificate of its own, trusts whom the main broker trusts, and
// keeps nothing of TLS if it goes to a broker without.
func TestDeviceTLS(t *testing.T) {
	cert, key := keyPair(t, longAgo, farAhead)
	path := folder(t, map[string]string{
		"umqttd.yaml": `
broker: {url: "mqtts://h", tls: {ca_file: ca.pem, cert_file: gw.pem, key_file: gw.key, alpn: [mqtt]}}
devices:
  - {name: a, port: /dev/a, broker: {tls: {cert_file: a.pem, key_file: a.key, alpn: []}}}
  - {name: b, port: /dev/b, broker: {url: "mqtt://h"}}
`,
		"ca.pem": cert, "gw.pem": cert, "gw.key": key, "a.pem": cert, "a.key": key,
	})
	c, _, err := Load(path, getenv)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	a := c.Devices[0].Broker.TLS
	if a.CAFile != dir+"/ca.pem" || a.CertFile != dir+"/a.pem" || a.KeyFile != dir+"/a.key" || len(a.ALPN) != 0 {
		t.Errorf("device a: %+v", a)
	}
	if b := c.Devices[1].Broker.TLS; b.CAFile != "" || b.CertFile != "" || b.KeyFile != "" || b.ALPN != nil || b.MinVersion != "" {
		t.Errorf("device b: %+v", b)
	}
	if got := c.Broker.TLS.ALPN; len(got) != 1 || got[0] != "mqtt" {
		t.Errorf("the main broker lost its protocols: %v", got)
	}
}

// A certificate that a device inherits is reported once, where it is named.
func TestInheritedCertificate(t *testing.T) {
	_, key := keyPair(t, longAgo, farAhead)
	path := folder(t, map[string]string{
		"umqttd.yaml": `
broker: {url: "mqtts://h", tls: {cert_file: none.pem, key_file: gw.key}}
devices:
  - {name: a, port: /dev/a, broker: {tls: {key_file: a.key}}}
`,
		"gw.key": key, "a.key": key, "none.pem": "",
	})
	const want = "umqttd.yaml:2: broker.tls.cert_file: none.pem: there is no PEM certificate in it; write a file that has -----BEGIN CERTIFICATE-----\n"
	if got := said(t, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSecretsThatEverybodyCanRead(t *testing.T) {
	cert, key := keyPair(t, longAgo, farAhead)
	path := folder(t, map[string]string{
		"umqttd.yaml": `broker: {url: "mqtts://h", username: gw, password_file: password, tls: {cert_file: gw.pem, key_file: gw.key}}
embedded_broker: {password_file: users}
devices:
  - {name: a, port: /dev/a}
`,
		"gw.pem": cert, "gw.key": key, "password": "secret", "users": "me:$2y$05$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi",
	})
	if got := said(t, path); got != "" {
		t.Errorf("secrets of one user: %s", got)
	}
	for _, name := range []string{"gw.pem", "gw.key", "password", "users"} {
		if err := os.Chmod(filepath.Join(filepath.Dir(path), name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.TrimPrefix(`
warning: umqttd.yaml:1: broker.password_file: password: every user of this machine can read it; run chmod o-r password there
warning: umqttd.yaml:1: broker.tls.key_file: gw.key: every user of this machine can read it; run chmod o-r gw.key there
warning: umqttd.yaml:2: embedded_broker.password_file: users: every user of this machine can read it; run chmod o-r users there
`, "\n")
	if got := said(t, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A key that umqttd may not read is a fault that names the file and what to do. To
// root no file is closed, so the words are looked at as well.
func TestKeyThatCannotBeRead(t *testing.T) {
	cert, key := keyPair(t, longAgo, farAhead)
	path := folder(t, map[string]string{
		"umqttd.yaml": "broker: {url: \"mqtts://h\", tls: {cert_file: gw.pem, key_file: gw.key}}\ndevices: [{name: a, port: /dev/a}]\n",
		"gw.pem":      cert, "gw.key": key,
	})
	if err := os.Chmod(filepath.Join(filepath.Dir(path), "gw.key"), 0); err != nil {
		t.Fatal(err)
	}
	want := "umqttd.yaml:1: broker.tls.key_file: gw.key: permission denied; let the user that umqttd runs as read it\n"
	if os.Geteuid() == 0 {
		want = ""
	}
	if got := said(t, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	wrong, write := whyNot(&fs.PathError{Op: "open", Path: "gw.key", Err: syscall.EACCES})
	if wrong != "permission denied" || write != "let the user that umqttd runs as read it" {
		t.Errorf("said %q; %q", wrong, write)
	}
}
