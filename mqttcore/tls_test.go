package mqttcore_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/test/certs"
)

// tlsServer accepts TLS connections on loopback, finishes the handshake, says "hi" and hands over what it saw.
type tlsServer struct {
	url   string
	seen  chan tls.ConnectionState // one for each handshake that succeeded
	fails chan error               // one for each that did not
}

func startTLSServer(t *testing.T, config *tls.Config) *tlsServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &tlsServer{
		url:   "mqtts://" + listener.Addr().String(),
		seen:  make(chan tls.ConnectionState, 16),
		fails: make(chan error, 16),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			s.serve(tls.Server(raw, config))
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return s
}

func (s *tlsServer) serve(conn *tls.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if err := conn.Handshake(); err != nil {
		s.fails <- err
		return
	}
	s.seen <- conn.ConnectionState()
	_, _ = conn.Write([]byte("hi"))
	_, _ = conn.Read(make([]byte, 1)) // until the client hangs up: closing with bytes unread would reset the connection
}

// serverConfig is the server's side: a fresh certificate of ca.
func serverConfig(t *testing.T, ca *certs.Authority) *tls.Config {
	t.Helper()
	pair := ca.Server(t, "server", time.Time{})
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
}

// requireClient makes config demand a certificate of ca.
func requireClient(t *testing.T, config *tls.Config, ca *certs.Authority) {
	t.Helper()
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AppendCertsFromPEM(readFile(t, ca.CertFile))
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	writeFile(t, to, readFile(t, from))
}

func newDialer(t *testing.T, url string, files mqttcore.FileTLS) *mqttcore.Dialer {
	t.Helper()
	dialer, err := mqttcore.NewDialer(url, files)
	if err != nil {
		t.Fatal(err)
	}
	return dialer
}

// greet dials, and returns the first error up to the reading of "hi". With TLS 1.3 a server refuses a client's certificate after the client
// thinks the handshake done, so a refusal may come from either.
func greet(t *testing.T, dialer *mqttcore.Dialer) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := dialer.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err = conn.Read(make([]byte, 2))
	return err
}

func wantGreeting(t *testing.T, dialer *mqttcore.Dialer) {
	t.Helper()
	if err := greet(t, dialer); err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestTLSTrustsTheCAFileAlone(t *testing.T) {
	ours, theirs := certs.NewAuthority(t, t.TempDir(), "ours"), certs.NewAuthority(t, t.TempDir(), "theirs")
	server := startTLSServer(t, serverConfig(t, ours))
	wantGreeting(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ours.CertFile}))
	if state := <-server.seen; state.ServerName != "" || len(state.PeerCertificates) != 0 {
		t.Errorf("server saw name %q and %d certificates, want neither for an address", state.ServerName, len(state.PeerCertificates))
	}
	wantErr(t, greet(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: theirs.CertFile})),
		"mqttcore: dial mqtts://", "unknown authority", theirs.CertFile)
	wantErr(t, greet(t, newDialer(t, server.url, mqttcore.FileTLS{})), "the system's")
}

func TestTLSServerName(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	server := startTLSServer(t, serverConfig(t, ca))
	wantGreeting(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile, ServerName: "localhost"}))
	if state := <-server.seen; state.ServerName != "localhost" {
		t.Errorf("server saw the name %q, want localhost", state.ServerName)
	}
	wantErr(t, greet(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile, ServerName: "broker.example.org"})), "broker.example.org")
}

func TestTLSMinVersion(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	config := serverConfig(t, ca)
	config.MaxVersion = tls.VersionTLS12
	server := startTLSServer(t, config)
	wantGreeting(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile}))
	wantGreeting(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile, MinVersion: "1.2"}))
	wantErr(t, greet(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile, MinVersion: "1.3"})), "protocol version")

	old := serverConfig(t, ca)
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	wantErr(t, greet(t, newDialer(t, startTLSServer(t, old).url, mqttcore.FileTLS{CAFile: ca.CertFile})), "protocol version")

	_, err := mqttcore.NewDialer(server.url, mqttcore.FileTLS{MinVersion: "1.1"})
	wantErr(t, err, `"1.1"`, "1.2 or 1.3")
}

func TestTLSALPN(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	config := serverConfig(t, ca)
	config.NextProtos = []string{"x-amzn-mqtt-ca", "mqtt"}
	server := startTLSServer(t, config)
	protocols := []string{"mqtt"}
	dialer := newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile, ALPN: protocols})
	protocols[0] = "changed behind the dialer's back"
	wantGreeting(t, dialer)
	if state := <-server.seen; state.NegotiatedProtocol != "mqtt" {
		t.Errorf("protocol %q, want mqtt", state.NegotiatedProtocol)
	}
	wantGreeting(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile}))
	if state := <-server.seen; state.NegotiatedProtocol != "" {
		t.Errorf("protocol %q without any asked for", state.NegotiatedProtocol)
	}
	wantErr(t, greet(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile, ALPN: []string{"coap"}})), "no application protocol")
	for _, bad := range []string{"", strings.Repeat("m", 256)} {
		_, err := mqttcore.NewDialer(server.url, mqttcore.FileTLS{ALPN: []string{bad}})
		wantErr(t, err, "ALPN")
	}
}

func TestTLSClientCertificate(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	config := serverConfig(t, ca)
	requireClient(t, config, ca)
	server := startTLSServer(t, config)
	client := ca.Client(t, "greenhouse-1", time.Time{})
	wantGreeting(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile, CertFile: client.CertFile, KeyFile: client.KeyFile}))
	if state := <-server.seen; len(state.PeerCertificates) != 1 || state.PeerCertificates[0].Subject.CommonName != "greenhouse-1" {
		t.Errorf("server saw %d certificates, want greenhouse-1's", len(state.PeerCertificates))
	}
	wantErr(t, greet(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile})), "certificate required")
}

// A broker that lists other authorities than our issuer still gets our certificate, and refuses it by a name that helps.
func TestTLSClientCertificateIsNeverWithheld(t *testing.T) {
	ca, other := certs.NewAuthority(t, t.TempDir(), "ca"), certs.NewAuthority(t, t.TempDir(), "other")
	config := serverConfig(t, ca)
	requireClient(t, config, other)
	server := startTLSServer(t, config)
	client := ca.Client(t, "greenhouse-1", time.Time{})
	wantErr(t, greet(t, newDialer(t, server.url, mqttcore.FileTLS{CAFile: ca.CertFile, CertFile: client.CertFile, KeyFile: client.KeyFile})), "remote error: tls")
	wantErr(t, <-server.fails, "signed by unknown authority")
}

func TestTLSFaultsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	ca := certs.NewAuthority(t, dir, "ca")
	one, two := ca.Client(t, "one", time.Time{}), ca.Client(t, "two", time.Time{})
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, []byte(text))
		return path
	}
	caText, oneText := string(readFile(t, ca.CertFile)), string(readFile(t, one.CertFile))
	missing, empty, prose := filepath.Join(dir, "missing"), file("empty", ""), file("prose", "no PEM in here")
	cutCA, cutChain := file("cut-ca", caText[:len(caText)/2]), file("cut-chain", oneText+caText[:len(caText)/2])
	notDER := file("not-der", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	encrypted := file("encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	huge := file("huge", strings.Repeat("x", 1<<20+1))

	tests := []struct {
		name  string
		files mqttcore.FileTLS
		want  []string
	}{
		{"CA missing", mqttcore.FileTLS{CAFile: missing}, []string{"CA file", missing, "no such file"}},
		{"CA empty", mqttcore.FileTLS{CAFile: empty}, []string{"CA file", empty, "no PEM certificate"}},
		{"CA is prose", mqttcore.FileTLS{CAFile: prose}, []string{"CA file", prose, "no PEM certificate"}},
		{"CA cut off", mqttcore.FileTLS{CAFile: cutCA}, []string{"CA file", cutCA, "1 of 1 certificates are cut off"}},
		{"CA is not DER", mqttcore.FileTLS{CAFile: notDER}, []string{"CA file", notDER, "certificate 1"}},
		{"CA is a folder", mqttcore.FileTLS{CAFile: dir}, []string{"CA file", dir, "not a regular file"}},
		{"CA is huge", mqttcore.FileTLS{CAFile: huge}, []string{"CA file", huge, "1048577 bytes"}},
		{"certificate without key", mqttcore.FileTLS{CertFile: one.CertFile}, []string{one.CertFile, "no key file"}},
		{"key without certificate", mqttcore.FileTLS{KeyFile: one.KeyFile}, []string{one.KeyFile, "no certificate file"}},
		{"certificate and key missing", mqttcore.FileTLS{CertFile: missing, KeyFile: missing + ".key"},
			[]string{"certificate file", missing, "key file", missing + ".key"}},
		{"another's key", mqttcore.FileTLS{CertFile: one.CertFile, KeyFile: two.KeyFile}, []string{one.CertFile, two.KeyFile, "does not match"}},
		{"chain cut off", mqttcore.FileTLS{CertFile: cutChain, KeyFile: one.KeyFile}, []string{cutChain, "1 of 2 certificates are cut off"}},
		{"key encrypted", mqttcore.FileTLS{CertFile: one.CertFile, KeyFile: encrypted}, []string{encrypted, "encrypted"}},
		{"key empty", mqttcore.FileTLS{CertFile: one.CertFile, KeyFile: empty}, []string{empty}},
		{"both faults at once", mqttcore.FileTLS{CAFile: prose, CertFile: one.CertFile, KeyFile: two.KeyFile}, []string{prose, two.KeyFile}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := mqttcore.NewDialer("mqtts://broker.example.org", test.files)
			wantErr(t, err, append(test.want, "mqttcore: ")...)
		})
	}
	_, err := mqttcore.NewDialer("mqtts://broker.example.org", mqttcore.FileTLS{CAFile: missing})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file is not fs.ErrNotExist: %v", err)
	}
}

// rotation is a dialer whose server demands a client certificate, and the files it dials with.
type rotation struct {
	ca      *certs.Authority
	server  *tlsServer
	dialer  *mqttcore.Dialer
	files   mqttcore.FileTLS
	changes []mqttcore.TLSStatus
}

func startRotation(t *testing.T) *rotation {
	dir := t.TempDir()
	r := &rotation{ca: certs.NewAuthority(t, dir, "ca")}
	config := serverConfig(t, r.ca)
	requireClient(t, config, r.ca)
	r.server = startTLSServer(t, config)
	client := r.ca.Client(t, "first", time.Time{})
	r.files = mqttcore.FileTLS{
		CAFile:   r.ca.CertFile,
		CertFile: filepath.Join(dir, "gw.pem"),
		KeyFile:  filepath.Join(dir, "gw.key"),
		OnChange: func(status mqttcore.TLSStatus) { r.changes = append(r.changes, status) },
	}
	copyFile(t, r.files.CertFile, client.CertFile)
	copyFile(t, r.files.KeyFile, client.KeyFile)
	r.dialer = newDialer(t, r.server.url, r.files)
	return r
}

// want dials and checks whose certificate the server saw, and what was reported since the last want: "" for a change that was taken, else a
// part of the error.
func (r *rotation) want(t *testing.T, name string, reports ...string) {
	t.Helper()
	wantGreeting(t, r.dialer)
	if state := <-r.server.seen; state.PeerCertificates[0].Subject.CommonName != name {
		t.Errorf("server saw the certificate of %s, want %s", state.PeerCertificates[0].Subject.CommonName, name)
	}
	if len(r.changes) != len(reports) {
		t.Fatalf("%d changes reported: %+v; want %q", len(r.changes), r.changes, reports)
	}
	for i, report := range reports {
		if err := r.changes[i].Err; report == "" && err != nil {
			t.Errorf("change reported with %v, want none", err)
		} else if report != "" {
			wantErr(t, err, report)
		}
	}
	r.changes = nil
}

func TestTLSRotation(t *testing.T) {
	r := startRotation(t)
	r.want(t, "first")
	r.want(t, "first")

	notAfter := time.Now().Add(5 * time.Hour).Truncate(time.Second)
	second := r.ca.Client(t, "second", notAfter)
	copyFile(t, r.files.CertFile, second.CertFile)
	copyFile(t, r.files.KeyFile, second.KeyFile)
	r.want(t, "second", "")
	r.want(t, "second")
	if status, ok := r.dialer.TLSStatus(); !ok || !status.ClientNotAfter.Equal(notAfter) {
		t.Errorf("status %+v, want the new certificate's end %v", status, notAfter)
	}
}

// A file system's clock ticks every few milliseconds: content alone may tell two versions apart.
func TestTLSRotationWithinOneTick(t *testing.T) {
	r := startRotation(t)
	r.want(t, "first")
	info, err := os.Stat(r.files.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	second := r.ca.Client(t, "other", time.Time{})
	copyFile(t, r.files.CertFile, second.CertFile)
	copyFile(t, r.files.KeyFile, second.KeyFile)
	for _, path := range []string{r.files.CertFile, r.files.KeyFile} {
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	r.want(t, "other", "")
}

func TestTLSKeepsTheLastGoodPair(t *testing.T) {
	r := startRotation(t)
	second := r.ca.Client(t, "second", time.Time{})
	secondText := readFile(t, second.CertFile)

	writeFile(t, r.files.CertFile, secondText[:len(secondText)/2])
	r.want(t, "first", "cut off")
	r.want(t, "first") // said once
	writeFile(t, r.files.CertFile, secondText)
	r.want(t, "first", "does not match") // the key is still the first's
	writeFile(t, r.files.KeyFile, nil)
	r.want(t, "first", r.files.KeyFile)
	if err := os.Remove(r.files.KeyFile); err != nil {
		t.Fatal(err)
	}
	r.want(t, "first", "no such file")
	writeFile(t, r.files.KeyFile, nil)
	r.want(t, "first", r.files.KeyFile) // as it was before it went
	copyFile(t, r.files.KeyFile, second.KeyFile)
	r.want(t, "second", "")
}

func TestTLSBackToTheOldPairClearsTheError(t *testing.T) {
	r := startRotation(t)
	good := readFile(t, r.files.KeyFile)
	writeFile(t, r.files.KeyFile, []byte("half"))
	r.want(t, "first", r.files.KeyFile)
	writeFile(t, r.files.KeyFile, good)
	r.want(t, "first", "")
	if status, _ := r.dialer.TLSStatus(); status.Err != nil {
		t.Errorf("error %v is left over", status.Err)
	}
}

// A file may be gone for a moment: renamed away and back, or on a disk that is mounted late.
func TestTLSFileIsBack(t *testing.T) {
	r := startRotation(t)
	for _, path := range []string{r.files.CAFile, r.files.CertFile, r.files.KeyFile} {
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		r.want(t, "first", path)
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
		r.want(t, "first", "")
	}
	if status, _ := r.dialer.TLSStatus(); status.Err != nil {
		t.Errorf("error %v is left over", status.Err)
	}
}

func TestTLSKeepsTheLastGoodCA(t *testing.T) {
	r := startRotation(t)
	good := readFile(t, r.files.CAFile)
	writeFile(t, r.files.CAFile, good[:len(good)-40])
	r.want(t, "first", "CA file")

	// The pair is renewed all the same.
	second := r.ca.Client(t, "second", time.Time{})
	copyFile(t, r.files.CertFile, second.CertFile)
	copyFile(t, r.files.KeyFile, second.KeyFile)
	r.want(t, "second", "CA file")

	// A new CA beside the old one is taken, and then a CA alone that did not sign the server: that is what the file says.
	other := certs.NewAuthority(t, t.TempDir(), "other")
	writeFile(t, r.files.CAFile, slices.Concat(readFile(t, other.CertFile), good))
	r.want(t, "second", "")
	copyFile(t, r.files.CAFile, other.CertFile)
	wantErr(t, greet(t, r.dialer), "unknown authority")
}

func TestTLSStatus(t *testing.T) {
	dir := t.TempDir()
	caEnd, clientEnd := time.Now().Add(100*time.Hour).Truncate(time.Second), time.Now().Add(50*time.Hour).Truncate(time.Second)
	soon, late := certs.NewAuthorityUntil(t, dir, "soon", caEnd), certs.NewAuthorityUntil(t, dir, "late", caEnd.Add(time.Hour))
	bundle := filepath.Join(dir, "bundle.pem")
	writeFile(t, bundle, slices.Concat(readFile(t, late.CertFile), readFile(t, soon.CertFile)))
	client := soon.Client(t, "gw", clientEnd)

	status, ok := newDialer(t, "mqtts://broker.example.org", mqttcore.FileTLS{CAFile: bundle, CertFile: client.CertFile, KeyFile: client.KeyFile}).TLSStatus()
	if !ok || !status.CANotAfter.Equal(caEnd) || !status.ClientNotAfter.Equal(clientEnd) || status.Err != nil || status.KeyWarning != "" {
		t.Errorf("status %+v, %v; want CA until %v, client until %v, and nothing wrong", status, ok, caEnd, clientEnd)
	}
	status, ok = newDialer(t, "mqtts://broker.example.org", mqttcore.FileTLS{}).TLSStatus()
	if !ok || !status.CANotAfter.IsZero() || !status.ClientNotAfter.IsZero() {
		t.Errorf("status %+v, %v; want no dates without files", status, ok)
	}
	if _, ok := newDialer(t, "mqtt://broker.example.org", mqttcore.FileTLS{}).TLSStatus(); ok {
		t.Error("a plain connection has a TLS status")
	}
}

func TestTLSWarnsOfAReadableKey(t *testing.T) {
	r := startRotation(t)
	if err := os.Chmod(r.files.KeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	r.want(t, "first", "")
	status, _ := r.dialer.TLSStatus()
	if !strings.Contains(status.KeyWarning, r.files.KeyFile) || !strings.Contains(status.KeyWarning, "0644") {
		t.Errorf("warning %q, want one with the file and its mode", status.KeyWarning)
	}
	if err := os.Chmod(r.files.KeyFile, 0o640); err != nil {
		t.Fatal(err)
	}
	r.want(t, "first", "")
	if status, _ := r.dialer.TLSStatus(); status.KeyWarning != "" {
		t.Errorf("warning %q although the mode is 0640", status.KeyWarning)
	}
	if bytes.Contains([]byte(status.KeyWarning), []byte("%!")) {
		t.Errorf("warning %q is badly formatted", status.KeyWarning)
	}
}
