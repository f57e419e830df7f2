package embedded

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// User names a login of the embedded ClickHouse.
type User string

// The logins of the embedded ClickHouse.
const (
	UserLoader  User = "loader"  // all rights on unionlink's database
	UserAnalyst User = "analyst" // reads it, within limits
	UserLimited User = "limited" // reads of it the accounts that each query's setting log_comment names, one a line
)

// passwords of the embedded ClickHouse, by user. They never leave DIR/secrets.json but by DSN and Password.
type passwords map[User]string

// loadPasswords reads DIR/secrets.json, and makes the passwords that are not there yet.
func loadPasswords(dir string) (passwords, error) {
	path := filepath.Join(dir, "secrets.json")
	secrets := passwords{}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read passwords: %w", err)
	default:
		if err := json.Unmarshal(data, &secrets); err != nil {
			return nil, fmt.Errorf("read passwords in %s: %w", path, err)
		}
	}
	if secrets == nil { // the file says null
		secrets = passwords{}
	}
	if !secrets.complete() {
		return secrets, writePrivate(path, secrets.encode())
	}
	return secrets, nil
}

// complete makes what is missing; it reports whether nothing was.
func (p passwords) complete() bool {
	all := true
	for _, user := range []User{UserLoader, UserAnalyst, UserLimited} {
		if p[user] == "" {
			p[user] = rand.Text()
			all = false
		}
	}
	return all
}

func (p passwords) encode() []byte {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return append(data, '\n')
}

// writePrivate replaces a file at once, with mode 0600, and has it on disk before it returns.
func writePrivate(path string, data []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // has mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", filepath.Base(path), errors.Join(err, os.Remove(file.Name())))
		}
	}()
	if _, err := file.Write(data); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
