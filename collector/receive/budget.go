package receive

import "sync/atomic"

// budget is the memory that all requests may take together.
type budget struct {
	limit int64
	used  atomic.Int64
}

// claim is what one request has taken.
type claim struct {
	budget *budget
	bytes  int64
}

// take reserves n more bytes, or returns false when there is no room. It does
// not wait: requests that each hold a part and wait for the rest would wait for
// each other.
func (c *claim) take(n int64) bool {
	if c.budget.used.Add(n) > c.budget.limit {
		c.budget.used.Add(-n)
		return false
	}
	c.bytes += n
	return true
}

// give returns everything.
func (c *claim) give() {
	c.budget.used.Add(-c.bytes)
	c.bytes = 0
}

// room is what a request may keep besides its body: records, and texts that a
// protocol makes. So much as is usually needed is claimed ahead, more when it is.
type room struct {
	claim       *claim
	used, ahead int64
}

// newRoom claims what the events of a body of n bytes usually need. The records are
// mostly no larger than the body: names are left out and numbers shrink. Dead letters
// add a few names to each.
func newRoom(c *claim, n int) (*room, bool) {
	r := &room{claim: c, ahead: int64(2 * n)}
	return r, c.take(r.ahead)
}

func (r *room) take(n int) bool {
	r.used += int64(n)
	more := r.used - r.ahead
	if more <= 0 {
		return true
	}
	if !r.claim.take(more) {
		return false
	}
	r.ahead = r.used
	return true
}
