package mqttcore

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// FileTLS says how a broker is trusted and how it is shown who we are, by files. The zero value trusts the system's roots, shows no
// certificate and speaks TLS 1.2 or newer.
//
// The files are looked at again for every dial, so a certificate is renewed by overwriting its files: no restart, no signal. What a dial finds
// broken, missing or half written is reported and not used: the last good certificate authority, and apart from it the last good pair of
// certificate and key, stay in force. Connections that stand are never disturbed.
type FileTLS struct {
	// CAFile holds the authorities a broker's certificate must come from, PEM, one or more. Empty: the system's roots.
	CAFile string

	// CertFile and KeyFile are our own certificate, with its intermediates after it, and its private key, PEM, not encrypted. Both empty: no
	// certificate is shown. One without the other is refused.
	CertFile string
	KeyFile  string

	// ServerName is the name or address the broker's certificate must carry, and what is sent as SNI. Empty: the host of the URL.
	ServerName string

	// MinVersion is the oldest TLS version spoken, "1.2" or "1.3". Empty: "1.2".
	MinVersion string

	// ALPN lists the protocols offered, best first, 1 to 255 bytes each. Empty: the extension is not sent. A server that knows none of them
	// ends the handshake.
	ALPN []string

	// OnChange is called after a dial has found the files changed: with a nil Err when the new ones are in force, with the reason when they
	// are not. It is called once for each change, not once for each dial, from the goroutine that dials and with the files' state at
	// that moment. It must not block and must not dial. Nil: nobody is told; TLSStatus of the Dialer tells as well.
	OnChange func(TLSStatus)
}

// TLSStatus is what is known about the files of a FileTLS.
type TLSStatus struct {
	// ClientNotAfter is the end of the client certificate in force, the earliest in its chain. Zero without one.
	ClientNotAfter time.Time

	// CANotAfter is the end of the authorities in force, the earliest of them. Zero with the system's roots.
	CANotAfter time.Time

	// Err says, naming the file, why what is on disk is not in force. Nil: what is on disk is in force.
	Err error

	// KeyWarning is a sentence for the log if every user of the machine can read the private key, else empty.
	KeyWarning string
}

// tlsFiles is a FileTLS at work. Any number of goroutines may use one.
type tlsFiles struct {
	// Immutable.
	files      FileTLS
	serverName string
	minVersion uint16

	state atomic.Pointer[tlsState] // never nil, never changed in place

	// reload is held while the files are looked at and while OnChange runs, so that changes are reported in their order.
	reload sync.Mutex
	tried  tlsDigests // the content last looked at, good or bad
}

// tlsState is what one look at the files left in force.
type tlsState struct {
	config     *tls.Config
	roots      *x509.CertPool   // nil: the system's
	pair       *tls.Certificate // nil: none is shown
	caErr      error
	pairErr    error
	caNotAfter time.Time
	notAfter   time.Time
	keyWarning string
}

// tlsDigests tells whether content changed. Content, not time and size: a file overwritten in place within one tick of the file system's clock
// keeps both, and reading three small files costs nothing beside the handshake that follows.
type tlsDigests struct {
	ca, cert, key [sha256.Size]byte
}

// newTLSFiles checks files and loads them. Every error it returns is a fault of the configuration, or of a file, which it names.
func newTLSFiles(files FileTLS, host string) (*tlsFiles, error) {
	f := &tlsFiles{files: files, serverName: files.ServerName}
	if f.serverName == "" {
		f.serverName = host
	}
	switch files.MinVersion {
	case "", "1.2":
		f.minVersion = tls.VersionTLS12
	case "1.3":
		f.minVersion = tls.VersionTLS13
	default:
		return nil, fmt.Errorf("mqttcore: minimum TLS version %q is not known; write 1.2 or 1.3", files.MinVersion)
	}
	if files.CertFile != "" && files.KeyFile == "" {
		return nil, fmt.Errorf("mqttcore: certificate %s has no key file", files.CertFile)
	}
	if files.KeyFile != "" && files.CertFile == "" {
		return nil, fmt.Errorf("mqttcore: key %s has no certificate file", files.KeyFile)
	}
	for _, name := range files.ALPN {
		if name == "" || len(name) > 255 {
			return nil, fmt.Errorf("mqttcore: ALPN protocol of %d bytes, 1 to 255 are possible", len(name))
		}
	}
	f.files.ALPN = slices.Clone(files.ALPN)
	state, _ := f.look(&tlsState{})
	if err := state.err(); err != nil {
		return nil, err
	}
	f.state.Store(state)
	return f, nil
}

// config looks at the files and returns what is in force. The caller must not change it.
func (f *tlsFiles) config() *tls.Config {
	f.reload.Lock()
	defer f.reload.Unlock()
	old := f.state.Load()
	state, taken := f.look(old)
	f.state.Store(state)
	changed := taken || errorText(state.err()) != errorText(old.err()) || state.keyWarning != old.keyWarning
	if changed && f.files.OnChange != nil {
		f.files.OnChange(state.status())
	}
	return state.config
}

// trusted names the authorities in force, for an error.
func (f *tlsFiles) trusted() string {
	if f.files.CAFile == "" {
		return "the system's"
	}
	return f.files.CAFile
}

// status returns what the last look left in force.
func (f *tlsFiles) status() TLSStatus { return f.state.Load().status() }

// look reads the files and returns the state after it: what is new and good, and what of old is still in force. It reports whether
// anything new was taken. The authorities and the pair are two units: a fault of one keeps nobody from renewing the other.
func (f *tlsFiles) look(old *tlsState) (state *tlsState, taken bool) {
	next := *old
	caTaken, pairTaken := f.lookCA(&next), f.lookPair(&next)
	if next.config != nil && !caTaken && !pairTaken {
		return &next, false
	}
	next.config = &tls.Config{
		MinVersion: f.minVersion,
		ServerName: f.serverName,
		RootCAs:    next.roots,
		NextProtos: f.files.ALPN,
	}
	if pair := next.pair; pair != nil {
		// Not Certificates: that one is withheld, without a word, from a broker whose list of acceptable authorities does not name our
		// issuer. The broker shall judge, and its alert says what is wrong.
		next.config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	return &next, true
}

// lookCA takes new authorities into state if they are good.
func (f *tlsFiles) lookCA(state *tlsState) (taken bool) {
	if f.files.CAFile == "" {
		return false
	}
	text, _, err := readTLSFile(f.files.CAFile)
	if err != nil {
		state.caErr = fmt.Errorf("mqttcore: CA file: %w", err)
		f.tried.ca = [sha256.Size]byte{}
		return false
	}
	digest := sha256.Sum256(text)
	if digest == f.tried.ca {
		return false
	}
	f.tried.ca = digest
	certs, err := parseCertificates(text)
	if err != nil {
		state.caErr = fmt.Errorf("mqttcore: CA file %s: %w", f.files.CAFile, err)
		return false
	}
	state.roots = x509.NewCertPool()
	for _, cert := range certs {
		state.roots.AddCert(cert)
	}
	state.caErr, state.caNotAfter = nil, earliest(certs)
	return true
}

// lookPair takes a new certificate and key into state if they are good and belong together.
func (f *tlsFiles) lookPair(state *tlsState) (taken bool) {
	if f.files.CertFile == "" {
		return false
	}
	certText, _, certErr := readTLSFile(f.files.CertFile)
	keyText, keyMode, keyErr := readTLSFile(f.files.KeyFile)
	if certErr != nil || keyErr != nil {
		if certErr != nil {
			certErr = fmt.Errorf("mqttcore: certificate file: %w", certErr)
		}
		if keyErr != nil {
			keyErr = fmt.Errorf("mqttcore: key file: %w", keyErr)
		}
		state.pairErr = errors.Join(certErr, keyErr)
		f.tried.cert, f.tried.key = [sha256.Size]byte{}, [sha256.Size]byte{}
		return false
	}
	state.keyWarning = ""
	if keyMode.Perm()&0o004 != 0 {
		state.keyWarning = fmt.Sprintf("private key %s is readable by every user (mode %04o); write: chmod o-r %[1]s", f.files.KeyFile, keyMode.Perm())
	}
	certDigest, keyDigest := sha256.Sum256(certText), sha256.Sum256(keyText)
	if certDigest == f.tried.cert && keyDigest == f.tried.key {
		return false
	}
	f.tried.cert, f.tried.key = certDigest, keyDigest
	pair, chain, err := parsePair(f.files.CertFile, f.files.KeyFile, certText, keyText)
	if err != nil {
		state.pairErr = err
		return false
	}
	state.pair, state.pairErr, state.notAfter = pair, nil, earliest(chain)
	return true
}

// err joins what is wrong on disk.
func (s *tlsState) err() error { return errors.Join(s.caErr, s.pairErr) }

func (s *tlsState) status() TLSStatus {
	return TLSStatus{ClientNotAfter: s.notAfter, CANotAfter: s.caNotAfter, Err: s.err(), KeyWarning: s.keyWarning}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
