package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disktest"
)

// edits are what a fuzzer does to a log's folder, decoded from its input: each edit is
// a file, an operation, two offsets and a value. Some make checksums right again, so
// that what is behind them is reached.
type edits struct {
	b      []byte
	f      files
	forged bool // a checksum was made right
}

func (e *edits) take() (n uint64, ok bool) {
	n, w := binary.Uvarint(e.b)
	if w <= 0 {
		return 0, false
	}
	e.b = e.b[w:]
	return n, true
}

func (e *edits) apply() {
	names := slices.Sorted(maps.Keys(e.f))
	for range 8 {
		var args [5]uint64
		for i := range args {
			var ok bool
			if args[i], ok = e.take(); !ok {
				return
			}
		}
		name := names[args[0]%uint64(len(names))]
		b := bytes.Clone(e.f[name])
		if len(b) == 0 {
			continue
		}
		from, to := int(args[2]%uint64(len(b))), int(args[3]%uint64(len(b)))
		from, to = min(from, to), max(from, to)
		switch args[1] % 8 {
		case 0:
			b[from] ^= byte(max(1, args[4]))
		case 1:
			b = b[:from]
		case 2:
			clear(b[from:to])
		case 3:
			b = append(b, b[from:to]...)
		case 4:
			copy(b[from:], b[to:])
		case 5:
			copy(b[from:], binary.LittleEndian.AppendUint64(nil, args[4]))
		case 6:
			e.sealHeader(b)
		case 7:
			e.sealFrame(b, from)
		}
		e.f = e.f.with(name, b)
		if args[4]%16 == 15 {
			e.f = e.f.without(name)
			names = slices.Sorted(maps.Keys(e.f))
			if len(names) == 0 {
				return
			}
		}
	}
}

func (e *edits) sealHeader(b []byte) {
	if len(b) >= segmentHeader {
		for _, header := range [][]byte{b[:sector], b[sector:segmentHeader]} {
			binary.LittleEndian.PutUint32(header[508:], crc32.Checksum(header[:508], castagnoli))
		}
		e.forged = true
	}
}

// sealFrame makes the checksums of the next frame's right.
func (e *edits) sealFrame(b []byte, from int) {
	if len(b) < segmentHeader+frameHeader+2 {
		return
	}
	at := segmentHeader
	if i := bytes.Index(b[min(max(from, segmentHeader), len(b)):], []byte("FLWG")); i >= 0 {
		at = max(from, segmentHeader) + i
	}
	if at+frameHeader+2 > len(b) {
		return
	}
	salt := binary.LittleEndian.Uint32(b[48:])
	end := min(len(b)-1, at+frameHeader+int(binary.LittleEndian.Uint32(b[at+4:])%uint32(len(b))))
	binary.LittleEndian.PutUint32(b[at:], frameMagic)
	binary.LittleEndian.PutUint32(b[at+4:], uint32(end-at-frameHeader))
	binary.LittleEndian.PutUint32(b[at+20:], crc32.Update(salt, castagnoli, b[at+frameHeader:end]))
	binary.LittleEndian.PutUint32(b[at+24:], crc32.Update(salt, castagnoli, b[at:at+24]))
	b[end] = frameMark
	e.forged = true
}

// bases are the logs that a fuzzer starts from.
func bases(t *testing.T) (bases []files, known map[string]bool) {
	known = map[string]bool{}
	build := func(t *testing.T, l *Log) {
		for i := range 7 {
			text := fmt.Sprintf("%d/%s", i, strings.Repeat("x", 200*(i%3)))
			known[text], known["-"] = true, true
			require.NoError(t, l.Append(t.Context(), texts(text, "-")))
			if i == 3 {
				drain(t, l, 3)
				require.NoError(t, l.Commit(t.Context()))
			}
		}
	}
	for _, keys := range []*Keys{nil, testKeys(1)} {
		opts := Options{SegmentBytes: 1900, Keys: keys}
		f := built(t, opts, build)
		bases = append(bases, f, f.used(t, opts, func(t *testing.T, l *Log) { require.NoError(t, l.Close()) }))
	}
	return append(bases, files{}), known
}

// Whatever a folder holds: the log opens, and then works, now and after the next start;
// or it says why not, and has changed nothing. What can be salvaged opens, and holds no
// less. Nothing comes out that was not put in, unless somebody forged checksums of a
// log that is not encrypted.
func FuzzRecover(f *testing.F) {
	f.Add(uint8(0), []byte{})
	for base := range uint8(5) {
		f.Add(base, []byte{1, 0, 100, 0, 1, 2, 1, 90, 0, 0})
		f.Add(base, []byte{2, 2, 0x90, 0x08, 0xb0, 0x09, 1})
		f.Add(base, []byte{1, 5, 0x86, 0x08, 0, 77, 1, 7, 0, 0, 0})
		f.Add(base, []byte{0, 0, 0, 0, 15})
	}
	var all []files
	var known map[string]bool
	f.Fuzz(func(t *testing.T, base uint8, b []byte) {
		if all == nil {
			all, known = bases(t)
		}
		e := &edits{b: b, f: all[int(base)%len(all)].without(lockName)}
		if len(e.f) > 0 {
			e.apply()
		}
		encrypted := int(base)%len(all)/2 == 1
		checkRecovery(t, e.f, func(text string) bool { return known[text] || e.forged && !encrypted })
	})
}

// checkRecovery opens what is in a folder and salvages it.
func checkRecovery(t *testing.T, f files, mayHold func(string) bool) {
	opts := Options{Keys: testKeys(1)}
	l, d, err := f.open(t, opts)
	if err != nil {
		require.Equal(t, f, filesOf(t, d).without(lockName), "%v", err)
		var damaged *DamagedError
		if !errors.As(err, &damaged) {
			return
		}
		require.Contains(t, damaged.Error(), damaged.File)
		if max(damaged.After, damaged.Before) < maxVersion/2 {
			checkSalvage(t, f, nil, true)
		}
		return
	}
	records := drain(t, l, int(l.Stats().Pending))
	for _, r := range records {
		require.True(t, mayHold(string(r.Data)), "%q was invented", r.Data)
	}
	if l.last > maxVersion/2 {
		require.NoError(t, l.Close())
		return // Somebody forged it to use the versions up.
	}
	require.NoError(t, l.Append(t.Context(), texts("more")))
	more := drain(t, l, 1)
	require.NoError(t, l.Close())
	nowAndThen(t, d, append(slices.Clone(records), more...))
	checkSalvage(t, f, records, false)
}

// nowAndThen says what a log holds after the next start.
func nowAndThen(t *testing.T, d *disktest.Disk, want []queue.Record) {
	l, err := New(Options{Dir: simDir, disk: d.Kill(), Keys: testKeys(1)})
	require.NoError(t, err)
	require.Equal(t, want, drain(t, l, len(want)))
	require.Equal(t, int64(len(want)), l.Stats().Pending)
	require.NoError(t, l.Close())
}

func checkSalvage(t *testing.T, f files, atLeast []queue.Record, damaged bool) {
	if len(f.segments()) == 0 && !damaged {
		return
	}
	d := f.disk(t)
	out := filepath.Join(filepath.Dir(simDir), "new")
	report, err := Salvage(SalvageOptions{Dir: simDir, Out: out, Keys: testKeys(1), disk: d})
	require.NoError(t, err)
	require.Equal(t, f, filesOf(t, d))
	require.Equal(t, damaged, len(report.Lost()) > 0, "%v", report.Lost())
	l, err := New(Options{Dir: out, disk: d, Keys: testKeys(1)})
	require.NoError(t, err)
	require.Equal(t, report.Pending, l.Stats().Pending)
	got := drain(t, l, int(report.Pending))
	if !damaged {
		require.Equal(t, atLeast, got)
	}
	require.NoError(t, l.Close())
}

// A segment's header is what it says, or nothing.
func FuzzReadHeader(f *testing.F) {
	for _, keys := range []*Keys{nil, testKeys(1)} {
		d := disktest.New(1)
		s, _, err := createSegment(d, "/", 7, link{base: 3, end: 2000, last: 5}, keys)
		require.NoError(f, err)
		file, err := d.OpenFile(s.path, 0)
		require.NoError(f, err)
		b := make([]byte, segmentHeader)
		_, err = file.ReadAt(b, 0)
		require.NoError(f, err)
		f.Add(b, uint64(7), false)
		f.Add(b[:700], uint64(7), true)
	}
	f.Add([]byte("FLOWGWAL\x01\x00\x00\x00saltbase4567crc!FLWG"), uint64(7), false)
	f.Fuzz(func(t *testing.T, b []byte, base uint64, seal bool) {
		if seal {
			(&edits{}).sealHeader(b)
		}
		s := &segment{base: base, size: int64(len(b))}
		if err := s.readHeader(b, testKeys(1)); err != nil || s.broken {
			return
		}
		require.GreaterOrEqual(t, int64(len(b)), min(s.start, sector))
		require.Equal(t, s.opaque, s.key != "" && s.key != testKeys(1).IDs()[0])
		require.Equal(t, s.aead != nil, s.key == testKeys(1).IDs()[0])
	})
}

// A position file says what was written, or nothing.
func FuzzParseSlot(f *testing.F) {
	f.Add(state{1, 2, link{3, 4, 5}}.line())
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseSlot(b); ok {
			require.Equal(t, s.line(), b[:slotBytes])
		}
	})
}

// A key file has keys of 32 bytes, or is refused.
func FuzzParseKeys(f *testing.F) {
	f.Add(randomKey)
	f.Add([]byte("# one\n" + strings.Repeat("0f", 31) + "00\n"))
	f.Add([]byte("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))
	f.Fuzz(func(t *testing.T, b []byte) {
		k := &Keys{}
		if k.parse(b) != nil {
			return
		}
		for _, s := range k.all {
			require.Len(t, s.key, keySize)
			got, ok := k.find(s.id)
			require.True(t, ok)
			require.Equal(t, s.key, got)
		}
		require.Len(t, k.IDs(), len(k.all))
	})
}
