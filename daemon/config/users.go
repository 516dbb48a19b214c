package config

import (
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// ReadUsers returns the bcrypt hashes in the password file of the embedded broker,
// by user. The error is [Faults]: everything that is wrong with the file.
func ReadUsers(path string) (map[string]string, error) {
	text, wrong, write := readRegular(path)
	if wrong != "" {
		return nil, Faults{{File: path, Wrong: wrong, Write: write}}
	}
	users, faults := parseUsers(path, text)
	if len(faults) > 0 {
		return nil, faults
	}
	return users, nil
}

// parseUsers reads lines of user:bcrypt-hash. Empty lines and lines that begin with
// # are comments. No fault repeats a line: it might be a password that somebody
// wrote there in plain.
func parseUsers(path string, text []byte) (map[string]string, Faults) {
	users := make(map[string]string)
	var faults Faults
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		wrong := func(wrong, write string) {
			faults = append(faults, Fault{File: path, Line: number, Wrong: wrong, Write: write})
		}
		user, hash, _ := strings.Cut(line, ":")
		_, known := users[user]
		switch _, err := bcrypt.Cost([]byte(hash)); {
		case user == "":
			wrong("there is no user name", "write user:bcrypt-hash")
		case known:
			wrong("the user stands in an earlier line", "remove one")
		case err != nil:
			wrong("there is no bcrypt hash", "make the line with htpasswd -nB USER")
		}
		users[user] = hash
	}
	if len(users) == 0 {
		faults = append(faults, Fault{File: path, Wrong: "there is no user in it", Write: "make a line with htpasswd -nB USER"})
	}
	return users, faults
}

// checkUsers looks into the password file of the embedded broker.
func (d *decoder) checkUsers(field *string) {
	text, at, ok := d.secret(field)
	if !ok {
		return
	}
	_, faults := parseUsers(*field, text)
	for _, f := range faults {
		d.fault(at, Fault{File: f.File, Line: f.Line, Wrong: f.Wrong}.String(), f.Write)
	}
}
