package event

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClip(t *testing.T) {
	require.Equal(t, "añb", Clip("añb", 4))
	require.Equal(t, "añ", Clip("añb", 3))
	require.Equal(t, "a", Clip("añb", 2))
	require.Empty(t, Clip("ñ", 1))
	require.Len(t, ClipName(strings.Repeat("a", 600)), MaxNameBytes)
}
