package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// checkTLS looks at the keys and files of one broker's tls section. A broker that
// is not spoken to over TLS keeps none of it.
func (d *decoder) checkTLS(b *Broker) {
	t := &b.TLS
	if d.gave(&t.CAFile) && t.CAFile != "" {
		at := d.at(&t.CAFile)
		if data, ok := d.readNamed(at, t.CAFile); ok {
			d.checkChain(at, t.CAFile, data)
		}
	}
	if d.gave(&t.CertFile, &t.KeyFile) {
		d.checkKeyPair(t)
	}
	if overTLS(b.URL) {
		return
	}
	if !d.refused[&b.URL] && d.gave(&t.CAFile, &t.CertFile, &t.KeyFile, &t.ServerName, &t.MinVersion, &t.ALPN) {
		d.fault(d.at(t), "has no effect, the url is not one with TLS", "write mqtts:// or wss:// in url:, or remove tls:")
	}
	*t = TLS{}
}

// checkKeyPair looks at a client's certificate and key, and at each alone if the
// other is missing.
func (d *decoder) checkKeyPair(t *TLS) {
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		d.fault(d.at(&t.CertFile, &t.KeyFile), "a certificate needs its key", "write key_file: beside it")
	case t.CertFile == "" && t.KeyFile != "":
		d.fault(d.at(&t.KeyFile, &t.CertFile), "a key needs its certificate", "write cert_file: beside it")
	}
	var cert, key []byte
	certOK, keyOK := false, false
	if t.CertFile != "" {
		at, judge := d.at(&t.CertFile, &t.KeyFile), d.judge(&t.CertFile)
		if cert, certOK = judge.readNamed(at, t.CertFile); certOK {
			certOK = judge.checkChain(at, t.CertFile, cert)
		}
	}
	if t.KeyFile != "" {
		at, judge := d.at(&t.KeyFile, &t.CertFile), d.judge(&t.KeyFile)
		if key, keyOK = judge.readNamed(at, t.KeyFile); keyOK {
			keyOK = judge.checkKey(at, t.KeyFile, key)
			judge.checkSecrecy(at, t.KeyFile)
		}
	}
	if !certOK || !keyOK {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		// What crypto/tls says of a key holds no part of it.
		d.fault(d.at(&t.KeyFile, &t.CertFile), t.KeyFile+": "+oneLine(err), "write the key that "+t.CertFile+" was made for")
	}
}

// judge is who hears what is wrong with a file: d if this level names it, nobody if
// it is inherited, because then it was reported where it stands.
func (d *decoder) judge(field any) *decoder {
	if _, own := d.given[field]; own {
		return d
	}
	return new(decoder)
}

// checkChain looks at a file of certificates. An expired one is a warning: the
// clock of a machine without a battery may be wrong, and the files may be renewed
// while umqttd runs.
func (d *decoder) checkChain(at place, path string, data []byte) bool {
	count, announced := 0, bytes.Count(data, []byte("-----BEGIN CERTIFICATE-----"))
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			d.fault(at, path+": "+oneLine(err), "write a file of PEM certificates")
			return false
		}
		count++
		now := time.Now()
		switch {
		case now.After(cert.NotAfter):
			d.warn(at, path+": a certificate expired on "+cert.NotAfter.UTC().Format(time.DateOnly), "renew it")
		case now.Before(cert.NotBefore):
			d.warn(at, path+": a certificate is valid only from "+cert.NotBefore.UTC().Format(time.DateOnly), "look at this machine's clock")
		}
	}
	switch {
	case announced == 0:
		d.fault(at, path+": there is no PEM certificate in it", "write a file that has -----BEGIN CERTIFICATE-----")
	case count < announced: // package pem passes over what is cut off
		d.fault(at, fmt.Sprintf("%s: %d of %d certificates are cut off or damaged", path, announced-count, announced), "write the whole file again")
	default:
		return true
	}
	return false
}

// checkKey looks for a private key that needs no password.
func (d *decoder) checkKey(at place, path string, data []byte) bool {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		encrypted := block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != ""
		if encrypted {
			d.fault(at, path+": the key is encrypted", "write a file with the key in the clear, which only umqttd can read")
		}
		return !encrypted
	}
	d.fault(at, path+": there is no PEM key in it", "write a file that has -----BEGIN PRIVATE KEY-----")
	return false
}

// readNamed reads a file that a key names, or reports why it cannot.
func (d *decoder) readNamed(at place, path string) ([]byte, bool) {
	data, wrong, write := readRegular(path)
	if wrong != "" {
		d.fault(at, path+": "+wrong, write)
	}
	return data, wrong == ""
}

// checkSecrecy warns of a secret that every user of this machine can read.
func (d *decoder) checkSecrecy(at place, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
		d.warn(at, path+": every user of this machine can read it", "run chmod o-r "+filepath.Base(path)+" there")
	}
}
