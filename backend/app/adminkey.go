package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/atomicfile"
)

// AdminKeyFile is where the administrator's API key is kept, readable by the
// owner alone.
func AdminKeyFile(dataDir string) string { return filepath.Join(dataDir, "admin.key") }

// ReadAdminKey returns the key that a first start has written.
func ReadAdminKey(dataDir string) (string, error) {
	b, err := os.ReadFile(AdminKeyFile(dataDir))
	if err != nil {
		return "", fmt.Errorf("read the administrator's key: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// ensureAdminKey makes the administrator's key at the first 'flowgauge up'.
// Collectors and servers make none: there may be any number of them, and each
// would leave a key that never expires. Whoever may write to their database makes
// the first one by 'flowgauge keys create --scope admin'. So does 'up' against an
// external database whose tenant has an administrator's key already.
//
// The file is written before the database: if the process dies in between, the
// next start stores the key that the file has.
func (a *App) ensureAdminKey(ctx context.Context) error {
	secret, err := ReadAdminKey(a.cfg.DataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if a.database.engine == nil && a.hasAdmin() {
			return nil
		}
		var key keystore.Key
		secret, key, err = keystore.Generate(a.cfg.Tenant, "administrator", access.ScopeAdmin)
		if err != nil {
			return err
		}
		if err := writeSecret(AdminKeyFile(a.cfg.DataDir), secret); err != nil {
			return fmt.Errorf("write the administrator's key: %w", err)
		}
		return a.keys.Put(ctx, key)
	case err != nil:
		return err
	}
	id, ok := keystore.ID(secret)
	if !ok {
		return fmt.Errorf("%s does not hold an API key (fg_…): delete it and a new one is made", AdminKeyFile(a.cfg.DataDir))
	}
	if _, known := a.keys.Get(id); known {
		return nil
	}
	return a.keys.Put(ctx, keystore.Key{
		ID: id, Tenant: a.cfg.Tenant, Name: "administrator", Hash: keystore.HashOf(secret),
		Scopes: []access.Scope{access.ScopeAdmin}, CreatedAt: time.Now().UTC(),
	})
}

// hasAdmin reports whether somebody administers the tenant already.
func (a *App) hasAdmin() bool {
	return slices.ContainsFunc(a.keys.List(a.cfg.Tenant), func(k keystore.Key) bool {
		return k.Usable(time.Now()) && k.Allows(access.ScopeAdmin)
	})
}

// writeSecret writes a file that only its owner may read, whole or not at all.
func writeSecret(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(path, []byte(text+"\n"))
}
