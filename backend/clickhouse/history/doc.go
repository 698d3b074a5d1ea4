// Package history keeps every version of every event for a number of days, so that
// questions can be asked about how the data stood at an earlier moment.
//
//	insert into a raw table ──view──> TABLE_history, a partition for each day of storing
//	                                       │ a day leaves the window
//	                                       ▼
//	                                  TABLE_baseline, of each identity the last version
//
// How the data stood at T is, of each identity, the version with the highest number
// among those of both tables that were known at T. A version is known from its
// receipt on, or, where it is a new price of a stored cost, from when that was applied.
//
// An event that nobody has touched for years is still what a correction of tomorrow
// replaces, so nothing is ever dropped because it is old. What a day leaves behind goes
// into the baseline, whose merges keep the last version of each identity alone. That
// is the one that any moment after the day sees.
//
// # The window moves
//
// Every step is written into history_state before the next begins, and the next begins
// no earlier than a grace after it, so that no question that is still being answered
// reads what is changed:
//
//	since = begin of a day   older moments are refused from here on
//	moved = a day before     days before it are copied into the baseline
//	                         and then dropped: both have them for a while
//
// A day is moved only when a whole day lies between it and since, because the clocks
// that stamp receipts and those that stamp storing need not agree. Copying a day again
// changes nothing, so each step may be repeated after a crash.
//
// # Switching on and off
//
// What is stored already is copied into the baseline when the views are there; what
// was being stored meanwhile is copied once more after a grace. Only then is the history
// on, and since is that moment: versions that had been replaced before are not known. A
// database in which nothing was stored yet has a history from the beginning. Removed,
// the views and all rows go.
//
// One process does this for a database (package lease). The configuration of that one
// counts.
package history
