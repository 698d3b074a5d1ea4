// Package live counts what collectors accept, second by second, and tells the counts of
// the last minutes within a second or two. It is for looking on while things happen.
//
//	collector ── Append ──> the log                     server ── Window <── Hub
//	               └─ Counter ──(each second)──> Redis ──────────────────────┘
//
// # What it is not
//
// The counts are approximate, and nothing is ever billed by them; the figures to rely on
// are backend/query's. An event is counted when it is accepted, not at its own time. One
// that is sent again is counted again if the collector does not remember it: it
// remembers some 250,000, and nothing of what other collectors took. Corrections count
// as the event that they correct, types of run that come in several messages as often as
// a message says that something happened. What is older than 15 minutes when it comes is
// counted as late and as nothing else, so that an import of last year does not look like
// a rush. Amounts are not counted.
//
// # In Redis
//
// Each tenant has a stream. Once a second each collector adds what it has counted as one
// entry, a frame: counts by user and workflow, a few kilobytes where thousands of events
// a second come. Redis stamps the entries, so the clocks of collectors and servers do not
// matter. Entries older than a quarter of an hour are trimmed, and a stream that nothing
// is added to expires.
//
// A second key says since when somebody has been counting. It lives for as long as a
// collector renews it. When it is gone, or younger than a window, the window says so.
//
// # When Redis is away
//
// Who sends events does not notice. What was counted while it was away is not kept for
// later, when it would look as if it had just happened; the next frame says that there is
// a gap. Windows say that they cannot be told.
//
// # Who sees what
//
// A View says whose counts they are. Package query makes it of who asks; frames are told
// apart by user so that it can.
package live
