package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheLogDoesNotFillTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flowgauge.log")
	read := func(name string) string {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		return string(text)
	}
	write := func(r *rolling, lines ...string) {
		for _, line := range lines {
			_, err := r.Write([]byte(line))
			require.NoError(t, err)
		}
	}
	r, err := newRolling(path)
	require.NoError(t, err)
	r.most = 10
	write(r, "one\n", "two\n")
	require.NoError(t, r.Close())

	r, err = newRolling(path) // goes on with it
	require.NoError(t, err)
	r.most = 10
	write(r, "three\n")
	assert.Equal(t, []string{"one\ntwo\n", "three\n"}, []string{read(path + ".1"), read(path)})
	write(r, "a line that is longer than a log\n", "five\n")
	assert.Equal(t, []string{"a line that is longer than a log\n", "five\n"}, []string{read(path + ".1"), read(path)})
	require.NoError(t, os.Remove(path+".1"))
	require.NoError(t, os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o700))
	write(r, "six and more\n")
	assert.Equal(t, "five\nsix and more\n", read(path), "it goes on where no other can be begun")
	require.NoError(t, r.Close())
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, files, 2)
}
