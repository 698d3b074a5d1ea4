package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLogKeepsItsName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := logName(dir)
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{16}$", first)
	again, err := logName(dir)
	require.NoError(t, err)
	require.Equal(t, first, again)
	other, err := logName(t.TempDir())
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "log.name"), nil, 0o600))
	_, err = logName(dir)
	require.ErrorContains(t, err, "delete it")
}
