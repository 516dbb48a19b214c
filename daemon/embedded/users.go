package embedded

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"github.com/umqttd/umqttd/daemon/config"
)

// users are the people and programs in the password file.
//
// A bcrypt check is slow by design, about 0.1 s on a Pi. So a password that was right is remembered by its SHA-256, until the file changes, and
// wrong ones are checked one at a time: guessing costs the guesser, not the clients that come back after an outage.
type users struct {
	path string
	log  *slog.Logger

	checking sync.Mutex // held during a bcrypt check

	mu     sync.Mutex
	stamp  stamp                        // of the file the maps were made from
	hashes map[string]string            // user to bcrypt hash
	right  map[string][sha256.Size]byte // user to the password that was right
}

// stamp tells one state of a file from another. The zero value stands for a file that is not there.
type stamp struct{ changed, size int64 }

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.ModTime().UnixNano(), info.Size()}, nil
}

// nobody is the hash, of the usual cost, that is checked for a user who does not exist, so that time does not tell who does. Its password
// ("fakepassword", as in the exporter-toolkit) lets nobody in.
const nobody = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"

// readUsers reads a password file. Its error lists every fault.
func readUsers(path string, log *slog.Logger) (*users, error) {
	u := &users{path: path, log: log}
	if err := u.refresh(); err != nil {
		return nil, fmt.Errorf("embedded: embedded_broker.password_file: %v", err)
	}
	return u, nil
}

// refresh reads the file if it is not as it was at the last call. On an error the users stay as they were.
func (u *users) refresh() error {
	now, err := stampOf(u.path)
	if now == u.stamp && u.hashes != nil {
		return nil // unchanged, or still away, which was said before
	}
	u.stamp = now // taken before reading: a later change is seen the next time
	if err != nil {
		return err
	}
	hashes, err := config.ReadUsers(u.path)
	if err != nil {
		return err
	}
	u.hashes, u.right = hashes, make(map[string][sha256.Size]byte)
	return nil
}

// allow says whether the password is the user's.
func (u *users) allow(user string, password []byte) bool {
	digest := sha256.Sum256(password)
	hash, known, remembered := u.look(user, digest)
	if remembered {
		return true
	}
	u.checking.Lock()
	err := bcrypt.CompareHashAndPassword([]byte(hash), password)
	u.checking.Unlock()
	if err != nil || !known {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.hashes[user] == hash { // the file may have changed meanwhile
		u.right[user] = digest
	}
	return true
}

// look returns the user's hash, whether there is such a user, and whether this password is known to be right.
func (u *users) look(user string, digest [sha256.Size]byte) (hash string, known, remembered bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.refresh(); err != nil {
		u.log.Warn("password file not read again, the users stay as they were", "error", err)
	}
	if hash, known = u.hashes[user]; !known {
		return nobody, false, false
	}
	right, checked := u.right[user]
	return hash, true, checked && right == digest
}
