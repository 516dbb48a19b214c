package mqttcore

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// maxTLSFile bounds what is read of one file, in bytes. The bundle of all public authorities is a fifth of it.
const maxTLSFile = 1 << 20

// parsePair makes a certificate to show from the text of both files.
func parsePair(certFile, keyFile string, certText, keyText []byte) (*tls.Certificate, []*x509.Certificate, error) {
	chain, err := parseCertificates(certText)
	if err != nil {
		return nil, nil, fmt.Errorf("mqttcore: certificate file %s: %w", certFile, err)
	}
	if bytes.Contains(keyText, []byte("ENCRYPTED")) {
		return nil, nil, fmt.Errorf("mqttcore: key file %s: is encrypted, and nobody is there to type the pass phrase", keyFile)
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return nil, nil, fmt.Errorf("mqttcore: certificate file %s with key file %s: %w", certFile, keyFile, err)
	}
	return &pair, chain, nil
}

// parseCertificates reads every certificate of a PEM text. One that is cut off or damaged is an error, not one certificate less: package pem
// skips what it cannot read, which would turn a half-written chain into a shorter one.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	announced := bytes.Count(text, []byte("-----BEGIN CERTIFICATE-----"))
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if announced == 0 {
		return nil, errors.New("holds no PEM certificate")
	}
	if len(certs) != announced {
		return nil, fmt.Errorf("%d of %d certificates are cut off or damaged", announced-len(certs), announced)
	}
	return certs, nil
}

// earliest returns when the first of certs, of which there is one at least, ends.
func earliest(certs []*x509.Certificate) time.Time {
	end := certs[0].NotAfter
	for _, cert := range certs[1:] {
		if cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	return end
}

// readTLSFile reads a whole file. A pipe or a device would hold up the dial, so only regular files are read.
func readTLSFile(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Size() > maxTLSFile {
		return nil, 0, fmt.Errorf("%s has %d bytes, more than %d", path, info.Size(), maxTLSFile)
	}
	text, err := os.ReadFile(path)
	return text, info.Mode(), err
}
