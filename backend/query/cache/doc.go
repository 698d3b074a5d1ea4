// Package cache answers questions that were answered before, as long as it can show
// that the answer is still the one that the engine would give. It is a decorator of
// the engine: it embeds it and overrides Do.
//
//	Do ─> in this process ─> Redis ─> pieces of it in either ─> the engine, for what is missing
//
// # When an answer is current
//
// A figure changes when raw rows of its minutes change, and the sink marks those
// minutes before the rows are inserted and again when the insert is acknowledged. The
// engine reads the marks of a tenant about once a second (query.Changes, the change
// feed). An answer is kept with its query.State: where the feed stood when the answer
// was planned, and a digest of the marks of the minutes that it was made of. It is
// served as long as a feed that is at most five seconds old gives the same digest.
//
//   - A row that became visible after the answer was made has its second mark after
//     that, so the digest differs. What became visible before is in the answer.
//   - The engine is given the feed that the state is taken of (query.WithChanges). With
//     an older one it could take a minute for rolled up that was marked since.
//   - While minutes of the period wait for their rollup the answer is not kept beyond
//     the feed's next reading: the roller changes it without a mark.
//   - A mark may come to light ten minutes later than its stamp says. Therefore the
//     digest begins ten minutes before the position, and each feed looks back as far.
//   - Answers whose meta changes as time goes by, because their period has not ended,
//     are kept until it does.
//
// Anyone who makes a digest needs no more than the table of marks, so processes share
// answers through Redis, and a process that starts finds them there.
//
// # What is refused
//
// Correctness by refusal: what is not known to be covered is asked anew each time.
//
//   - What a policy keeps something from, and figures by team: policies and teams change
//     without a mark.
//   - Kinds other than metrics and errors, whose dependencies are not described.
//   - Metrics of what was received (ingest, conflicts, dead letters, what waits): they
//     go by the time of receipt, which has no marks.
//   - Steps that were read from events. A step takes workflow and user from its
//     execution, and the roller marks the step's minute only when it has seen the
//     execution change. Rollups of steps are covered: they change with that mark.
//   - Executions running in a period that has not ended.
//
// While the feed is older than five seconds, nothing that is kept is given. That happens when
// the database is slow, and then each viewer of each panel would ask it: those who ask the
// same within five seconds share one answer.
//
// # Pieces
//
// An answer over time with no limit and no comparison is the concatenation of the
// answers for parts of its period, when the cuts lie between buckets: sums, counts of
// distinct things and percentiles are those of a bucket, and rows come in order of
// time. So hours, days or months that have begun are kept apart, and a window that
// moves is answered by its first and last hour and the pieces between. Pieces that are
// missing and touch are asked for at once: an answer with none of its pieces costs one
// question. Top-N, comparisons and figures of the whole period are kept whole.
// An answer that has more rows than one may have, or minutes that are given with
// older figures because too many wait, is asked for whole, so that it says so.
//
// # Whose answer it is
//
// The key has the tenant, the role and the users whose rows are read, as the engine
// derives them from the caller; and a revision of whatever else decides what the caller
// may see (Config.Revision). A value holds its key, and is thrown away when
// it is found under another.
package cache
