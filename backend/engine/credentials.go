package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/flowgauge/flowgauge/backend/atomicfile"
)

// Names of the ClickHouse users that the engine defines.
const (
	WriterUser = "flowgauge"
	ReaderUser = "flowgauge_reader"
	SQLUser    = "flowgauge_sql"
)

// A credentials file keeps the passwords, so that a client configured once
// still gets in after a restart.
type credentials struct {
	Writer string `json:"writer_password"`
	Reader string `json:"reader_password"`
	SQL    string `json:"sql_password"`
}

// loadCredentials reads the passwords, or makes them the first time.
func loadCredentials(path string) (credentials, error) {
	var c credentials
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c = credentials{Writer: newPassword(), Reader: newPassword(), SQL: newPassword()}
		return c, c.save(path)
	case err != nil:
		return c, fmt.Errorf("read credentials: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("parse %s (delete it to get new passwords): %w", path, err)
	}
	if c.Writer == "" || c.Reader == "" {
		return c, fmt.Errorf("parse %s: a password is missing; delete the file to get new ones", path)
	}
	if c.SQL == "" { // written before there was this user
		c.SQL = newPassword()
		return c, c.save(path)
	}
	return c, nil
}

func (c credentials) save(path string) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode credentials: %w", err)
	}
	return atomicfile.Write(path, text)
}

// newPassword has 256 bits and needs no escaping in a URL.
func newPassword() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // Never fails: crypto/rand ends the program instead.
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// passwordHash is what users.xml holds. A plain SHA-256 will do for random
// passwords of this length: there is nothing to guess.
func passwordHash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}
