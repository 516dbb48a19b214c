package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ReadPassword returns the password in a file: its first line, without the line
// break. No error repeats what the file holds.
func ReadPassword(path string) ([]byte, error) {
	data, wrong, _ := readFile(path)
	if wrong != "" {
		return nil, fmt.Errorf("config: password file %s: %s", path, wrong)
	}
	password, err := parsePassword(data)
	if err != nil {
		return nil, fmt.Errorf("config: password file %s: %v", path, err)
	}
	return password, nil
}

// ReadUsers returns the users in a password file of the embedded broker and their
// passwords. Each line is user:password; empty lines and those that begin with #
// say nothing. No error repeats what the file holds.
func ReadUsers(path string) (map[string]string, error) {
	data, wrong, _ := readFile(path)
	if wrong != "" {
		return nil, fmt.Errorf("config: password file %s: %s", path, wrong)
	}
	users, err := parseUsers(data)
	if err != nil {
		return nil, fmt.Errorf("config: password file %s: %v", path, err)
	}
	return users, nil
}

func parsePassword(data []byte) ([]byte, error) {
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

func parseUsers(data []byte) (map[string]string, error) {
	users := make(map[string]string)
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		user, password, ok := strings.Cut(line, ":")
		if !ok || user == "" || password == "" {
			return nil, fmt.Errorf("line %d is not user:password", number)
		}
		if _, twice := users[user]; twice {
			return nil, fmt.Errorf("line %d has the user of an earlier line", number)
		}
		users[user] = password
	}
	if len(users) == 0 {
		return nil, errors.New("there is no user in it")
	}
	return users, nil
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
	if _, err := parsePassword(data); err != nil {
		d.fault(at, *field+": "+err.Error(), "write the password there")
	}
	d.checkSecrecy(at, *field)
}

// checkUsers looks into the password file of the embedded broker.
func (d *decoder) checkUsers(field *string) {
	if *field == "" {
		return
	}
	at := d.at(field)
	data, ok := d.readNamed(at, *field)
	if !ok {
		return
	}
	if _, err := parseUsers(data); err != nil {
		d.fault(at, *field+": "+err.Error(), "write one user:password a line")
	}
	d.checkSecrecy(at, *field)
}
