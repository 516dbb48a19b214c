package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// ReadPassword returns the password in a Broker's PasswordFile: its first line,
// without the line break. No error repeats what the file holds.
func ReadPassword(path string) ([]byte, error) {
	data, wrong, _ := readFile(path)
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
	if *field == "" {
		return
	}
	at := d.at(field)
	data, ok := d.readNamed(at, *field)
	if !ok {
		return
	}
	if _, err := firstLine(data); err != nil {
		d.fault(at, *field+": "+err.Error(), "write the password there")
	}
	d.checkSecrecy(at, *field)
}

// checkUsers looks into the password file of the embedded broker, which has a line
// user:bcrypt-hash for each user. No message repeats a line: it might be a password
// that somebody wrote there in plain.
func (d *decoder) checkUsers(field *string) {
	if *field == "" {
		return
	}
	at := d.at(field)
	data, ok := d.readNamed(at, *field)
	if !ok {
		return
	}
	d.checkSecrecy(at, *field)
	known := make(map[string]bool)
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		where := fmt.Sprintf("%s:%d: ", *field, number)
		user, hash, _ := strings.Cut(line, ":")
		switch _, err := bcrypt.Cost([]byte(hash)); {
		case user == "":
			d.fault(at, where+"there is no user name", "write user:bcrypt-hash")
		case known[user]:
			d.fault(at, where+"the user stands in an earlier line", "remove one")
		case err != nil:
			d.fault(at, where+"there is no bcrypt hash", "make the line with htpasswd -nB USER")
		}
		known[user] = true
	}
	if len(known) == 0 {
		d.fault(at, *field+": there is no user in it", "make a line with htpasswd -nB USER")
	}
}
