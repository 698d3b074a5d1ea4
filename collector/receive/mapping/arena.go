package mapping

import "unsafe"

// The sizes of an arena's parts. Each is twice the one before, so that a request
// allocates a few times, however many texts it makes.
const (
	leastChunk = 4 << 10
	mostChunk  = 256 << 10
)

// Arena holds the texts that are made for a request's events, such as ids put
// together from others. They live as long as the arena does; nothing is reused.
type Arena struct {
	reserve  func(int) bool
	expected int
	chunk    []byte
	full     bool
}

// NewArena returns an arena that asks before it grows. expected is how many bytes
// it will hold if it holds any, as far as that can be told.
func NewArena(reserve func(int) bool, expected int) Arena {
	return Arena{reserve: reserve, expected: min(max(expected, leastChunk), mostChunk)}
}

// Full says that there was no room for a text: what was made since is not to be used.
func (a *Arena) Full() bool { return a.full }

// Keep returns a copy of b.
func (a *Arena) Keep(b []byte) string { return View(a.Copy(b)) }

// Copy returns a copy of b, nil when there is no room.
func (a *Arena) Copy(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if cap(a.chunk)-len(a.chunk) < len(b) && !a.grow(max(len(b), min(2*cap(a.chunk), mostChunk), a.expected)) {
		return nil
	}
	from := len(a.chunk)
	a.chunk = append(a.chunk, b...)
	return a.chunk[from:len(a.chunk):len(a.chunk)]
}

func (a *Arena) grow(n int) bool {
	if a.reserve != nil && !a.reserve(n) {
		a.full = true
		return false
	}
	a.chunk = make([]byte, 0, n)
	return true
}

// View returns b as a string that shares its bytes.
func View(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // b is not written to again
}
