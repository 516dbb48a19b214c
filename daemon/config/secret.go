package config

import (
	"bytes"
	"errors"
	"fmt"
)

// ReadPassword returns the password in a Broker's PasswordFile: its first line,
// without the line break. No error repeats what the file holds.
func ReadPassword(path string) ([]byte, error) {
	data, wrong, _ := readRegular(path)
	if wrong != "" {
		return nil, fmt.Errorf("config: password file %s: %s", path, wrong)
	}
	password, err := firstLine(data)
	if err != nil {
		return nil, fmt.Errorf("config: password file %s: %v", path, err)
	}
	return password, nil
}

// firstLine is a password as editors and echo leave it.
func firstLine(data []byte) ([]byte, error) {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case len(line) == 0:
		return nil, errors.New("its first line is empty")
	case len(line) > maxText:
		return nil, errors.New("its first line is longer than 65535 bytes")
	}
	return line, nil
}

// checkPassword looks into the file of a broker's password.
func (d *decoder) checkPassword(field *string) {
	data, at, ok := d.secret(field)
	if !ok {
		return
	}
	if _, err := firstLine(data); err != nil {
		d.fault(at, *field+": "+err.Error(), "write the password there")
	}
}

// secret reads the file that a key names, if it names one, and looks who else can.
func (d *decoder) secret(field *string) (data []byte, at place, ok bool) {
	if *field == "" {
		return nil, at, false
	}
	at = d.at(field)
	if data, ok = d.readNamed(at, *field); ok {
		d.checkSecrecy(at, *field)
	}
	return data, at, ok
}
