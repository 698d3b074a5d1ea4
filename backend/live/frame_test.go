package live

import (
	"fmt"
	"hash/maphash"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type who struct{ user, workflow string }

func frameOf(t require.TestingT, text []byte) (map[who]Counts, frameInfo) {
	got := map[who]Counts{}
	info, err := decode(string(text), func(user, workflow string, c *Counts) {
		_, twice := got[who{user, workflow}]
		require.False(t, twice)
		got[who{user, workflow}] = *c
	})
	require.NoError(t, err)
	return got, info
}

// A frame says what was counted, second after second.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tally := newTally(maphash.MakeSeed(), "acme")
		name := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "b", "c"}), rapid.StringN(0, 300, -1))
		for range rapid.IntRange(1, 4).Draw(t, "seconds") {
			want := map[who]Counts{}
			for range rapid.IntRange(0, 50).Draw(t, "events") {
				w, f := who{name.Draw(t, "user"), name.Draw(t, "workflow")}, Figure(rapid.IntRange(0, int(figures)-1).Draw(t, "figure"))
				tally.add(w.user, w.workflow, f)
				c := want[w]
				c[f]++
				want[w] = c
			}
			tally.gap = rapid.Int64Range(0, 10).Draw(t, "gap")
			text := tally.encode(10)
			got, info := frameOf(t, text)
			require.Equal(t, want, got)
			lost := int64(0)
			if tally.gap > 0 {
				lost = max(1, 10-tally.gap)
			}
			require.Equal(t, frameInfo{lost: lost}, info)
			cut := rapid.IntRange(0, len(text)-1).Draw(t, "cut")
			_, err := decode(string(text[:cut]), func(string, string, *Counts) {})
			require.ErrorIs(t, err, errFrame)
			tally.begin()
			require.True(t, tally.empty())
		}
	})
}

// However many users and workflows there are, and whatever their names, a frame stays
// small and its total right.
func TestFramesAreBounded(t *testing.T) {
	for name, pad := range map[string]string{"many": "", "long": strings.Repeat("x", 1000)} {
		tally := newTally(maphash.MakeSeed(), "acme")
		for i := range 20_000 {
			tally.add(fmt.Sprint("u", i, pad), "w", Completed)
			tally.add("ann", "w", Failed) // has her place
		}
		text := tally.encode(0)
		assert.Less(t, len(text), maxNames+maxGroups*12, name)
		got, info := frameOf(t, text)
		assert.True(t, info.folded, name)
		var total Counts
		for _, c := range got {
			total.add(&c)
		}
		assert.Equal(t, Counts{Completed: 20_000, Failed: 20_000}, total, name)
		assert.Equal(t, Counts{Failed: 20_000}, got[who{"ann", "w"}], name)
		tally.begin()
		tally.add("ann", "w", Failed)
		tally.begin()
		assert.Len(t, tally.groups, 1, "%s: who is gone is forgotten", name)
	}
}

func FuzzDecode(f *testing.F) {
	tally := newTally(maphash.MakeSeed(), "acme")
	tally.add("ann", "w", Steps)
	f.Add(string(tally.encode(0)))
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		_, err := decode(text, func(string, string, *Counts) { n++ })
		require.LessOrEqual(t, n, len(text))
		if err != nil {
			require.ErrorIs(t, err, errFrame)
		}
	})
}

func TestRecent(t *testing.T) {
	r := newRecent()
	hash := func(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 }
	const n = 100_000
	for i := range n {
		require.False(t, r.seen(hash(i)), "nobody is taken for another")
	}
	forgotten := 0
	for i := n - 50_000; i < n; i++ {
		if !r.seen(hash(i)) {
			forgotten++
		}
	}
	require.Less(t, forgotten, 1500, "what came lately is remembered")
}
