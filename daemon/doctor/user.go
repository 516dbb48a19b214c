package doctor

import (
	"bufio"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// User is who opens ports and reads files.
type User struct {
	Name string
	UID  int
	GIDs []int
}

// serviceName is the user that the package makes for the daemon.
const serviceName = "umqttd"

// user is who is asked about. Root may do everything, and that says nothing: root is told what the service's own user may do, if there is one.
func (d *Doctor) user() User {
	if d.User != nil {
		return *d.User
	}
	u := User{Name: "this user", UID: os.Geteuid()}
	if groups, err := os.Getgroups(); err == nil {
		u.GIDs = append(groups, os.Getegid())
	}
	for _, line := range d.table("/etc/passwd") {
		uid, err := strconv.Atoi(line[2])
		switch {
		case err != nil:
		case uid == u.UID:
			u.Name = line[0]
		case u.UID == 0 && line[0] == serviceName:
			return d.serviceUser(uid, line[3])
		}
	}
	return u
}

// serviceUser is the daemon's own user, with the groups that the system's table and the unit give it.
func (d *Doctor) serviceUser(uid int, group string) User {
	u := User{Name: serviceName, UID: uid}
	if gid, err := strconv.Atoi(group); err == nil {
		u.GIDs = append(u.GIDs, gid)
	}
	for _, line := range d.table("/etc/group") {
		member := len(line) > 3 && slices.Contains(strings.Split(line[3], ","), serviceName)
		if gid, err := strconv.Atoi(line[2]); err == nil && (member || line[0] == "dialout") {
			u.GIDs = append(u.GIDs, gid)
		}
	}
	return u
}

// table reads the lines of /etc/passwd or /etc/group that have three fields or more.
func (d *Doctor) table(path string) [][]string {
	file, err := os.Open(d.at(path))
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	var lines [][]string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if fields := strings.Split(scanner.Text(), ":"); len(fields) > 3 {
			lines = append(lines, fields)
		}
	}
	return lines
}

// name returns the name of an id in a table, or its number.
func (d *Doctor) name(table string, id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	for _, line := range d.table(table) {
		if line[2] == number {
			return line[0]
		}
	}
	return number
}

// may reports whether u has all the rights, such as 6 for reading and writing.
func (u User) may(info fs.FileInfo, rights fs.FileMode) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || u.UID == 0 {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case int(st.Uid) == u.UID:
		mode >>= 6
	case slices.Contains(u.GIDs, int(st.Gid)):
		mode >>= 3
	}
	return mode&rights == rights
}

// owned describes who may do what with a file: "crw-rw---- root:dialout".
func (d *Doctor) owned(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.Mode().String()
	}
	return info.Mode().String() + " " + d.name("/etc/passwd", st.Uid) + ":" + d.name("/etc/group", st.Gid)
}
