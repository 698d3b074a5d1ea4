package wal

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// three returns the only segment of a log of three groups, and where each ends.
func three(t *testing.T, opts Options, wait bool) (f files, name string, ends []int) {
	t.Helper()
	f = built(t, opts, func(t *testing.T, l *Log) {
		for _, g := range [][][]byte{
			texts("one"), texts("two", "three"),
			texts("four", "five", strings.Repeat("six", 200), strings.Repeat("7", 500)),
		} {
			require.NoError(t, l.Append(t.Context(), g))
			ends = append(ends, int(l.active.end))
		}
		if wait {
			marked()
		}
	})
	require.Len(t, f.segments(), 1)
	return f, f.segments()[0], ends
}

// whole are the records of all groups, and of all but the last.
var (
	whole    = []string{"one", "two", "three", "four", "five", strings.Repeat("six", 200), strings.Repeat("7", 500)}
	butLast  = whole[:3]
	variants = []struct {
		name string
		opts Options
	}{{"plain", Options{}}, {"encrypted", Options{Keys: testKeys(1)}}}
)

// testKeys returns keys that are named by numbers.
func testKeys(numbers ...byte) *Keys {
	k := &Keys{}
	for _, n := range numbers {
		key := bytes.Repeat([]byte{n}, keySize)
		key[0]++
		if err := k.add(key); err != nil {
			panic(err)
		}
	}
	return k
}

// A last group that is torn at any byte, with nothing or zeros behind, or with any
// sectors missing, is left out; what was acknowledged before it stays, and the log
// goes on.
func TestTornTail(t *testing.T) {
	for _, v := range variants {
		f, name, ends := three(t, v.opts, false)
		b := f[name]
		check := func(torn []byte) {
			g := f.with(name, torn)
			l, d, err := g.open(t, v.opts)
			require.NoError(t, err)
			require.Equal(t, butLast, content(drain(t, l, 3)))
			require.NoError(t, l.Append(t.Context(), texts("more")))
			require.Equal(t, []string{"more"}, content(drain(t, l, 1)))
			require.NoError(t, l.Close())
			g = filesOf(t, d)
			require.Equal(t, torn, g[name], "what was torn is kept")
			got, err := g.contents(t, v.opts)
			require.NoError(t, err)
			require.Equal(t, append(butLast[:3:3], "more"), got)
		}
		for cut := ends[1]; cut < ends[2]; cut++ {
			check(b[:cut:cut])
			check(append(b[:cut:cut], make([]byte, ends[2]-cut)...))
			check(append(b[:cut:cut], make([]byte, 5000)...))
		}
		first := (ends[1] + sector - 1) / sector
		for lost := 1; lost < 1<<(ends[2]/sector-first+1); lost++ {
			holes := bytes.Clone(b)
			for i := first; i <= ends[2]/sector; i++ {
				if lost>>(i-first)&1 == 1 {
					clear(holes[i*sector : min((i+1)*sector, len(holes))])
				}
			}
			check(holes)
		}
		holes := bytes.Clone(b)
		clear(holes[ends[1] : first*sector])
		check(holes)
	}
}

// A flipped bit is found wherever it is, also in the last group after a crash: nothing
// that was torn looks like that. The log refuses to open, names the place and changes
// nothing. Only one copy of the header may be broken.
func TestFlippedBits(t *testing.T) {
	for _, v := range variants {
		for _, wait := range []bool{false, true} {
			f, name, ends := three(t, v.opts, wait)
			bits := 8
			if wait {
				bits = 1 // What the mark adds is tried below.
			}
			for i := range f[name] {
				for bit := range bits {
					g := f.with(name, flipped(f[name], i, bit))
					if i < segmentHeader {
						if bit > 0 {
							continue
						}
						got, err := g.contents(t, v.opts)
						require.NoError(t, err)
						require.Equal(t, whole, got)
						g[name][i^sector] ^= 1 // The other copy, too.
					}
					g.refused(t, v.opts, name, start(ends, i), i)
				}
			}
		}
	}
}

// start returns where the group begins that a byte is part of.
func start(ends []int, i int) int {
	if i < segmentHeader {
		return 0
	}
	from := segmentHeader
	for _, end := range ends {
		if i < end {
			return from
		}
		from = end
	}
	return from
}

// refused says that the log does not open, because of what is at some offset.
func (f files) refused(t *testing.T, opts Options, name string, from int, detail any) {
	t.Helper()
	_, d, err := f.open(t, opts)
	var damaged *DamagedError
	require.ErrorAs(t, err, &damaged, "%v", detail)
	require.ErrorIs(t, err, ErrDamaged)
	require.Equal(t, filepath.Join(simDir, name), damaged.File, "%v", detail)
	require.Equal(t, int64(from), damaged.From, "%v", detail)
	require.Contains(t, err.Error(), damaged.File)
	require.Contains(t, err.Error(), "wal salvage")
	g := filesOf(t, d).without(lockName)
	require.Len(t, g, len(f.without(lockName)))
	for name := range g {
		require.True(t, bytes.Equal(f[name], g[name]), "%v", detail)
	}
}

// What is in front of the mark cannot be torn, whatever it looks like.
func TestNothingIsTornInFrontOfTheMark(t *testing.T) {
	for _, v := range variants {
		f, name, ends := three(t, v.opts, true)
		b := f[name]
		for cut := 1; cut < len(b); cut++ {
			from := start(ends, cut)
			if cut < segmentHeader {
				from = 0
				if cut >= sector { // One copy of the header is left.
					from = segmentHeader
				}
			}
			f.with(name, b[:cut:cut]).refused(t, v.opts, name, from, cut)
			if cut >= segmentHeader {
				f.with(name, append(b[:cut:cut], make([]byte, len(b)-cut)...)).refused(t, v.opts, name, from, cut)
			}
		}
		for i := segmentHeader; i+sector < len(b); i += sector {
			hole := bytes.Clone(b)
			clear(hole[i : i+sector])
			f.with(name, hole).refused(t, v.opts, name, start(ends, i), i)
		}
	}
}

// The mark is at the end of a log that was closed, and of one that was idle.
func TestMark(t *testing.T) {
	for _, how := range []string{"idle", "closed", "committed"} {
		f := built(t, Options{}, func(t *testing.T, l *Log) {
			require.NoError(t, l.Append(t.Context(), texts("one", "two")))
			switch how {
			case "idle":
				marked()
			case "closed":
				require.NoError(t, l.Close())
			case "committed":
				drain(t, l, 1)
				require.NoError(t, l.Commit(t.Context()))
			}
		})
		name := f.segments()[0]
		f.with(name, f[name][:len(f[name])-1]).refused(t, Options{}, name, segmentHeader, how)
		f.with(name, f[name][:segmentHeader]).refused(t, Options{}, name, segmentHeader, how)
		f.without(name).refused(t, Options{}, name, 0, how)
	}
}

// What was not marked yet when the process died is after the next start.
func TestMarkAfterRecovery(t *testing.T) {
	f, name, ends := three(t, Options{}, false)
	f = f.used(t, Options{}, func(*testing.T, *Log) { marked() })
	f.with(name, f[name][:len(f[name])-1]).refused(t, Options{}, name, ends[1], "")
}

// Only the newest segment may end in a torn group: the next one says how far it went.
func TestDamageInAnOlderSegment(t *testing.T) {
	f := built(t, Options{SegmentBytes: 1}, func(t *testing.T, l *Log) {
		for i := range 4 {
			require.NoError(t, l.Append(t.Context(), texts(fmt.Sprintf("record number %d", i))))
		}
	})
	names := f.segments()
	require.Len(t, names, 4)
	b := f[names[1]]
	for cut := segmentHeader; cut < len(b); cut++ {
		f.with(names[1], b[:cut]).refused(t, Options{}, names[1], segmentHeader, cut)
		f.with(names[1], append(b[:cut:cut], make([]byte, len(b)-cut)...)).refused(t, Options{}, names[1], segmentHeader, cut)
	}
	f.without(names[1]).refused(t, Options{}, names[1], 0, "missing")
	f.without(names[0]).refused(t, Options{}, names[0], 0, "missing")

	// What is behind the end that the next one names does not count.
	got, err := f.with(names[1], append(bytes.Clone(b), "torn"...)).contents(t, Options{})
	require.NoError(t, err)
	require.Len(t, got, 4)
}

// Rot where everything is consumed loses nothing.
func TestDamageInWhatIsConsumed(t *testing.T) {
	f := built(t, Options{}, func(t *testing.T, l *Log) {
		for i := range 4 {
			require.NoError(t, l.Append(t.Context(), texts(fmt.Sprintf("record number %d", i))))
		}
		drain(t, l, 2)
		require.NoError(t, l.Commit(t.Context()))
	})
	name := f.segments()[0]
	frame := (len(f[name]) - segmentHeader) / 4
	for _, at := range []int{segmentHeader, segmentHeader + frame + 20, segmentHeader + 2*frame - 1} {
		got, err := f.with(name, flipped(f[name], at, 0)).contents(t, Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"record number 2", "record number 3"}, got)
	}
	f.with(name, flipped(f[name], segmentHeader+2*frame, 0)).refused(t, Options{}, name, segmentHeader+2*frame, "")
}

// What rots while the log is open is found when it is read.
func TestDamageIsFoundOnRead(t *testing.T) {
	l, d, err := files{}.open(t, Options{})
	require.NoError(t, err)
	require.NoError(t, l.Append(t.Context(), texts("one")))
	require.NoError(t, l.Append(t.Context(), texts("two")))
	file, err := d.OpenFile(l.active.path, 2)
	require.NoError(t, err)
	_, err = file.WriteAt([]byte("X"), l.active.end-2)
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, content(drain(t, l, 1)))
	for range 2 {
		_, err := l.Fetch(t.Context(), 1)
		require.ErrorIs(t, err, ErrDamaged)
	}
	require.NoError(t, l.Close())
}

// A sender who puts frames into an event cannot make a torn group look like damage.
func TestForgedFrameInARecord(t *testing.T) {
	forged := (&codec{}).sealed(1<<60, []byte("abc"))
	f := built(t, Options{}, func(t *testing.T, l *Log) {
		require.NoError(t, l.Append(t.Context(), texts("one")))
		require.NoError(t, l.Append(t.Context(), [][]byte{forged}))
	})
	name := f.segments()[0]
	b := f[name]
	require.Contains(t, string(b), string(forged))
	header := len(b) - 1 - len(forged) - 1 - frameHeader
	torn := bytes.Clone(b)
	clear(torn[header : header+frameHeader])
	got, err := f.with(name, torn).contents(t, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, got)
}

// A segment whose creation did not end held nothing.
func TestUnfinishedSegment(t *testing.T) {
	f := built(t, Options{SegmentBytes: 1}, func(t *testing.T, l *Log) {
		require.NoError(t, l.Append(t.Context(), texts("one")))
		require.NoError(t, l.Append(t.Context(), texts("two")))
	})
	names := f.segments()
	header := f[names[1]][:segmentHeader]
	for size := range segmentHeader {
		for _, b := range [][]byte{header[:size], append(header[:size:size], make([]byte, segmentHeader-size)...)} {
			l, d, err := f.with(names[1], b).open(t, Options{})
			require.NoError(t, err)
			require.NoError(t, l.Append(t.Context(), texts("more")))
			require.Equal(t, []string{"one", "more"}, content(drain(t, l, 2)))
			require.NoError(t, l.Close())
			require.Len(t, filesOf(t, d).segments(), 2)
		}
	}
	got, err := f.with(names[1], header).contents(t, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, got)
}
