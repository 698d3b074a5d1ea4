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
